//! Shares the sessions of RAM roles, and one quota of calls to STS, between the hosts of a service: a
//! [`SessionStore`](alibabacloud_credentials::SessionStore) in Redis, for `alibabacloud-credentials`.
//!
//! ```
//! # use alibabacloud_credentials::{DefaultCredentialChain, Error, RolePool, StoreKey};
//! use alibabacloud_credentials_redis::RedisStore;
//!
//! # fn example(key_from_a_secret_manager: [u8; 32]) -> Result<(), Error> {
//! let key = StoreKey::new(key_from_a_secret_manager); // the same for all replicas
//! let store = RedisStore::new("rediss://user:password@r-bp1.redis.rds.aliyuncs.com:6379", key)?;
//! let pool = RolePool::builder(DefaultCredentialChain::shared()).shared(store).build();
//! # Ok(()) }
//! ```
//!
//! * **One call for all replicas.** Who needs a session looks for it in Redis, takes a lease, looks again, and calls STS. The
//!   lease is `SET NX PX` with a random owner; it lasts 10 s, is prolonged while its holder lives, and is deleted by a script that
//!   compares the owner. Those who lose it wait for the session at most 5 s, with jitter, use what they have meanwhile, and then
//!   call STS themselves.
//! * **One quota.** All replicas together make 80 calls to STS a second at most ([`quota`](RedisStoreBuilder::quota)): a token
//!   bucket in Redis. Each process keeps to the quota of its own pool as well.
//! * **Ciphertext only.** Redis sees names that are an HMAC and sessions sealed by AES-256-GCM. Both keys derive from the 32 bytes
//!   that you give. What was changed, exchanged or cut does not open, and is as if it were not there.
//! * **Never in the way.** While Redis is away, full, slow or answers nonsense, it is not asked for 5 s, each process calls STS
//!   itself, and keeps to its share of the quota: the quota divided by the replicas that were last seen. No caller sees
//!   an error of Redis; a warning event says it once.
//! * **TLS.** `rediss://` is required unless the host is loopback or a Unix socket; see
//!   [`allow_plain_redis`](RedisStoreBuilder::allow_plain_redis). The feature `tls` (default) is rustls with ring and the platform's
//!   root certificates, or [your own](RedisStoreBuilder::root_certificates). The `redis` crate takes rustls' process-wide provider: where there is none, the store
//!   installs ring's when it first connects.
//!
//! The commands are `GETRANGE`, `SET`, `EVAL`, and in scripts `GET`, `SET`, `DEL`, `PEXPIRE`, `TIME`, `ZADD`, `ZCARD`, `ZREMRANGEBYSCORE`:
//! Redis 5 and later has them, and so have Tair and Valkey. Redis Cluster is served through a proxy only. An ACL can be as narrow as
//! `~alibabacloud-credentials:* ~{alibabacloud-credentials}:*`.
//!
//! A store has one thread, started at first use, on which its connection lives: so it works from any runtime, or none.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod builder;
mod driver;
mod link;
mod quota;
mod store;

pub use self::builder::RedisStoreBuilder;
pub use self::store::RedisStore;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
