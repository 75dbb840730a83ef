//! Many tenants: a role for each customer, one limit of STS for all of them.
//!
//! # Which one to take
//!
//! | roles of one process | take | because |
//! |---|---|---|
//! | one | [`DefaultCredentialChain::builder().assume_role(…)`](crate::DefaultCredentialChainBuilder::assume_role) | the source key never reaches a caller |
//! | a few, known at start | [`chain.assume(role)`](crate::DefaultCredentialChain::assume) for each | a [`Refresher`](crate::Refresher) that clients hold |
//! | hundreds and more, or roles that come and go | [`RolePool`](crate::RolePool) | on demand, bounded, one quota, idle ones forgotten |
//!
//! All of them share the source, the STS host, the HTTP client and the host's gate of the chain's [`Context`](crate::Context), without
//! being asked. A context of its own for each tenant shares nothing: measured with 2,000 tenants over TLS, it took 291 MB
//! where one context took 89, and each learns of a refusal by itself.
//!
//! # The arithmetic of the quota
//!
//! STS answers an account about 100 times a second, whoever calls, and refuses the rest (`Throttling.User`). A session is
//! renewed once in some three quarters of its life, so a service needs
//!
//! > calls a second = replicas × roles in use ÷ seconds between two renewals
//!
//! | replicas | roles in use | sessions | renewed every | calls a second |
//! |---|---|---|---|---|
//! | 1 | 10,000 | 1 h | 45 to 48 min | 4 |
//! | 3 | 10,000 | 1 h | 45 to 48 min | 11 |
//! | 40 | 10,000 | 1 h | 45 to 48 min | 142 |
//! | 40 | 10,000 | 12 h | 11 h | 10 |
//! | 1 | 10,000 | 15 min | 10 to 11 min | 16 |
//!
//! With one call an hour for each, 40 replicas × 10,000 roles would be 111 calls a second: above the limit even without
//! renewing ahead of the end. What helps, in this order:
//!
//! 1. **Longer sessions.** [`AssumeRole::duration`](crate::AssumeRole::duration) up to the role's MaxSessionDuration, which is 3,600 s unless
//!    it was raised (43,200 s at most). Twelve hours instead of one are a twelfth of the calls.
//! 2. **Fewer distinct roles.** ARN, session name, policy, ExternalId, duration and SourceIdentity are the key of a session.
//!    A session name with a request's number in it makes a session for each request. A policy for each customer makes one for each
//!    customer; a policy for each customer and verb makes five.
//! 3. **Fewer replicas for a role**, by routing a customer to the same replicas.
//!
//! A cold start takes roles ÷ quota: 10,000 roles at 80 a second are 125 s. [`RolePool::warm_up`](crate::RolePool::warm_up) fetches them
//! ahead, and callers who ask meanwhile go first.
//!
//! [`quota`](crate::RolePoolBuilder::quota) is this process's share. Replicas that share an account share its limit: four of them take 20
//! each, or a common one in Redis (below). If a quota is too low for what is in use, the pool says so in a warning event once a minute, with the numbers.
//! What it cannot know, other users of the account, shows in [`RolePoolStats::refused`](crate::RolePoolStats): each refusal slows all
//! calls of the context to that host, and calls that pass speed them up again.
//!
//! # Many processes on one host
//!
//! Workers that fork, jobs that a timer starts, a command line in a loop: each would ask for a session of its own. With the
//! feature `shared-sessions`, [`RolePoolBuilder::shared`](crate::RolePoolBuilder::shared) and
//! [`RefresherBuilder::shared`](crate::RefresherBuilder::shared) take a [`FileStore`](crate::FileStore), and one call does for all processes of a
//! user. The arguments have to be the same to the letter, the session's name among them: one with a process number in it is
//! shared with nobody. The source's AccessKey id is part of it too, so that workers whose source is a session of their own share
//! nothing.
//!
//! # Many hosts
//!
//! The crate `alibabacloud-credentials-redis` has a [`SessionStore`](crate::SessionStore) in Redis, Tair or Valkey: one call for all replicas,
//! and one quota, 80 calls a second unless told otherwise, that all of them keep to together. So the replicas drop out of the
//! arithmetic above: 40 replicas × 10,000 roles in use need 4 calls a second, not 142. Redis sees names and ciphertext. While it is away,
//! each replica calls for itself, at its share of the quota.
//!
//! # A shorter policy
//!
//! A session policy has 2,048 characters at most; this crate leaves out the white space between its parts where it is longer. It counts
//! twice: it is sent with each call, and is part of the token that is sent with each request. One wildcard for a customer's prefix is
//! shorter than a list of its buckets. What all customers share belongs into the role's own policy.
//!
//! ```
//! use alibabacloud_credentials::AssumeRole;
//!
//! fn role_of(customer: &str) -> AssumeRole {
//!     let policy = format!(
//!         r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"oss:GetObject","Resource":"acs:oss:*:*:media/{customer}/*"}}]}}"#
//!     );
//!     AssumeRole::new("acs:ram::1234567890123456:role/reader").session_name(customer).policy(policy)
//! }
//! ```
//!
//! `customer` is text that becomes part of a policy: let through letters, digits and `-` only, so that it cannot close the string.
//!
//! # A service
//!
//! ```no_run
//! # #[cfg(feature = "role-pool")] mod example {
//! use std::time::Duration;
//! use alibabacloud_credentials::{AssumeRole, DefaultCredentialChain, Error, OpenApiClient, RolePool};
//!
//! # fn role_of(customer: &str) -> AssumeRole { AssumeRole::new(customer) }
//! # #[cfg(feature = "openapi")]
//! async fn serve(pool: &RolePool, customer: &str) -> Result<(), Error> {
//!     let role = role_of(customer);
//!     let imm = OpenApiClient::imm("cn-hangzhou", pool.refresher(&role));
//!     imm.call("ListProjects", [("MaxResults", "10")]).await?;
//!     Ok(())
//! }
//!
//! async fn start(customers: &[String]) -> RolePool {
//!     let pool = RolePool::builder(DefaultCredentialChain::shared())
//!         .quota(20.0) // one of four replicas
//!         .idle_after(Duration::from_secs(1800))
//!         .build();
//!     let roles: Vec<AssumeRole> = customers.iter().map(|customer| role_of(customer)).collect();
//!     let report = pool.warm_up(roles).on_progress(|so_far| println!("{so_far:?}")).await;
//!     for (role, error) in report.failed {
//!         eprintln!("{role:?}: {error}"); // this customer's trust policy; the others are served
//!     }
//!     pool
//! }
//! # }
//! ```
//!
//! # What was measured
//!
//! `benches/roles` runs a pool against the emulator, in a process of its own, which lets 100 calls a second pass:
//!
//! | run | all served after | calls | refused | most calls a second | errors of callers | descriptors | connections | threads |
//! |---|---|---|---|---|---|---|---|---|
//! | 10,000 roles cold, warmed up | 104 s | 10,000 | 0 | 98 | 0 | 26 | 4 | 5 |
//! | the same, a caller each that asks every second | 105 s | 10,001 | 1 | 101 | 0 | 26 | 4 | 5 |
//! | the same, one role trusts nobody, for 150 s | 105 s | 10,036 | 37, nearly all that role's | 99 | that role's | 26 | 4 | 5 |
//! | 2,000 roles, sessions of 60 s, for 10 min, at most 128 descriptors | 21 s | 36,155 where renewing needs 37,723 | 0 | 98 | 0 | 27 | 4 | 5 |
//! | 10,000 roles, sessions of 60 s (more than the limit lets renew), for 4 min | 105 s | 23,190 | 0 | 100 | 0 | 26 | 4 | 5 |
//! | 2,000 roles, sessions of 5 min, STS down for 100 s while they are renewed | 21 s | 4,000 | 0 | 98 | 0 | 26 | 4 | 5 |
//! | 10,000 roles, sessions of 30 min, STS down for 10 min while they are renewed | 105 s | 20,000 | 0 | 111 | 0 | 26 | 4 | 5 |
//! | 3 processes, 10,000 roles each, one Redis, quota 80 | 128 s | 10,000 | 0 | 81 | 0 | 27 | 4 in all | 7 each |
//! | the same, Redis killed after 40 s and back after 55 s, with nothing in it | 142 s | 11,167 | 0 | 91 | 0 | 28 | 6 in all | 6 each |
//! | 64 processes, one role, one [`FileStore`](crate::FileStore) | 0.1 s | 1 | 0 | - | 0 | - | - | - |
//! | the same, the process that calls is killed | 0.1 s after | 1, and that of the killed one | 0 | - | 0 | - | - | - |
//!
//! With a quota of 97 where none is said, on two cores. "Most calls a second" is what arrived at the emulator: no second has more calls
//! than the quota when they leave, but on a busy machine they bunch on their way. The outage of 10 min alone was measured beside much
//! other work: 98 left in its fullest second. No caller was given a credential that had expired. In the run that is more than the limit
//! lets renew, a tenth of the roles was asked for ten times as often, and 97 % of the requests for these were answered at once, 90 % of the
//! others. Of 375,374 commands that Redis saw, none had anything of a role, a key or a session in it that could be read. A session takes
//! 2.1 KB of the heap besides its strings. A read of a session that is there took 98 ns, where reading two coarse clocks took 14. The
//! program prints this table, and draws roles served, calls and refusals over time.
