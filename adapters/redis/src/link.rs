//! The connection to the server: one at a time, and none for a while after it failed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alibabacloud_credentials::Error;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, FromRedisValue, RedisError, Value, from_redis_value};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::address::Address;
use crate::quota::LocalShare;

/// The limits of a connection and of a response, and of both with one repetition.
const STEP: Duration = Duration::from_millis(700);
const LIMIT: Duration = Duration::from_millis(1500);
/// Commands under way at once. Those beyond wait for their turn, so that the limits are the server's alone.
const AT_ONCE: usize = 64;
/// A replica that has not been seen for so long is none.
const SEEN: Duration = Duration::from_secs(20);
/// A turn further away than this is none.
const LONGEST_TURN: Duration = Duration::from_secs(30);
/// More replicas than this are a lie.
const MOST_REPLICAS: u32 = 10_000;

/// Counts the replicas, and where `ARGV[3]` is set, takes the next turn of the quota that is `ARGV[5]` away at least: returns when it is, in
/// microseconds, or -1 where it is too far away, and the replicas.
const TURN: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
redis.call('ZADD', KEYS[2], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now - ARGV[2] * 1000))
redis.call('PEXPIRE', KEYS[2], ARGV[2])
local replicas = redis.call('ZCARD', KEYS[2])
if not ARGV[3] then return {0, replicas} end
local at = math.max(now + ARGV[5], tonumber(redis.call('GET', KEYS[1]) or '0'))
if at - now > ARGV[4] * 1000 then return {-1, replicas} end
redis.call('SET', KEYS[1], string.format('%.0f', at + ARGV[3]), 'PX', 2 * ARGV[4])
return {string.format('%.0f', at - now), replicas}
";

/// A connection's state, on the thread of the store.
pub(crate) struct Link {
    address: Address,
    began: Instant,
    /// The name of this process among the replicas.
    member: String,
    keys: [String; 2],
    /// Calls a second of all replicas.
    quota: f64,
    manager: Mutex<Option<ConnectionManager>>,
    share: Mutex<LocalShare>,
    permits: Semaphore,
}

impl Link {
    pub(crate) fn new(address: Address, member: String, prefix: &str, quota: f64, replicas: u32) -> Self {
        Self {
            address,
            began: now(),
            member,
            // Of one slot, for servers that have several.
            keys: [format!("{{{prefix}}}:quota"), format!("{{{prefix}}}:replicas")],
            quota,
            manager: Mutex::default(),
            share: Mutex::new(LocalShare::new(quota, replicas)),
            permits: Semaphore::new(AT_ONCE),
        }
    }

    fn share(&self) -> MutexGuard<'_, LocalShare> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn time(&self) -> Duration {
        now() - self.began
    }

    /// The response to a command. One that found its connection gone is sent once more, by a new one.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        let _permit = self.permits.acquire().await;
        if self.share().is_away(self.time()) {
            return Err(self.error("it failed moments ago and is not asked"));
        }
        let work = async {
            let manager = self.manager()?;
            match command.query_async::<Value>(&mut manager.clone()).await {
                Err(error) if error.is_unrecoverable_error() && !error.is_timeout() => {
                    command.query_async::<Value>(&mut manager.clone()).await
                }
                response => response,
            }
        };
        let response = match tokio::time::timeout(LIMIT, work).await {
            Ok(response) => response.and_then(|value| Ok(from_redis_value(value)?)).map_err(|error| shown(&error)),
            Err(_) => Err("it does not respond in time".to_owned()),
        };
        match response {
            Ok(value) => {
                self.share().worked(self.time());
                Ok(value)
            }
            Err(why) => {
                self.share().failed(self.time());
                // Whatever is still to come by that connection is nobody's.
                drop(self.lock_manager().take());
                Err(self.error(&why))
            }
        }
    }

    fn lock_manager(&self) -> MutexGuard<'_, Option<ConnectionManager>> {
        self.manager.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn manager(&self) -> Result<ConnectionManager, RedisError> {
        let mut manager = self.lock_manager();
        if let Some(manager) = &*manager {
            return Ok(manager.clone());
        }
        #[cfg(feature = "tls")]
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // The `redis` crate has no other way to be told. Another one may have been faster, and is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(STEP))
            .set_response_timeout(Some(STEP));
        let made = ConnectionManager::new_lazy_with_config(self.address.client.clone(), config)?;
        Ok(manager.insert(made).clone())
    }

    fn error(&self, why: &str) -> Error {
        Error::failed(format!("Redis at {}: {why}", self.address.shown))
    }

    fn turn_command(&self) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(TURN).arg(2).arg(&self.keys).arg(&self.member).arg(millis(SEEN));
        command
    }

    /// Returns how long to wait for the next turn of all replicas, or of this one's share while the server is away.
    pub(crate) async fn turn(&self) -> Duration {
        let mut command = self.turn_command();
        let least = self.share().least_wait(self.time());
        let least_micros = u64::try_from(least.unwrap_or_default().as_micros()).unwrap_or(u64::MAX);
        command.arg((1e6 / self.quota).ceil()).arg(millis(LONGEST_TURN)).arg(least_micros);
        let response = self.ask::<(i64, i64)>(&command).await;
        let (mut share, now) = (self.share(), self.time());
        if let Ok((wait, replicas)) = response {
            share.counted(replicas_of(replicas), now);
            let wait = u64::try_from(wait).map(Duration::from_micros).ok();
            if let Some(wait) = wait.filter(|wait| *wait <= LONGEST_TURN) {
                share.took(wait, now);
                return wait;
            }
        }
        least.unwrap_or_else(|| share.turn_alone(now))
    }

    /// Says that this process is there, and learns how many are.
    pub(crate) async fn say_present(&self) {
        if let Ok((_, replicas)) = self.ask::<(i64, i64)>(&self.turn_command()).await {
            self.share().counted(replicas_of(replicas), self.time());
        }
    }
}

fn replicas_of(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(1).clamp(1, MOST_REPLICAS)
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Describes an error by its kind or the server's code, without the server's words.
fn shown(error: &RedisError) -> String {
    let is_code = |code: &&str| code.len() <= 32 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match error.code().filter(is_code) {
        Some(code) => format!("it answers {code}"),
        None if is_tls(error) => "TLS failed: the roots that are trusted have to vouch for its certificate".to_owned(),
        None if error.is_timeout() => "it does not respond in time".to_owned(),
        None if error.is_connection_refusal() => "the connection was refused".to_owned(),
        None if error.is_io_error() || error.is_connection_dropped() => "the connection failed".to_owned(),
        None => "it answers what is no answer".to_owned(),
    }
}

/// Returns whether TLS is at the bottom of it. The `redis` crate hands the error on behind a pointer.
#[cfg(feature = "tls")]
fn is_tls(error: &RedisError) -> bool {
    type Pointer = std::sync::Arc<dyn std::error::Error + Send + Sync>;
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<Pointer>());
    let cause = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>()).and_then(std::io::Error::get_ref);
    cause.is_some_and(|cause| cause.is::<rustls::Error>())
}

#[cfg(not(feature = "tls"))]
fn is_tls(_: &RedisError) -> bool {
    false
}

/// The real clock: a connection has no other.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
