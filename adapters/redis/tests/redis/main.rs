//! Replicas that share sessions and a quota through a real `redis-server`. Where that is not installed the tests say so and pass.

#![allow(clippy::unwrap_used)]

mod support;
#[cfg(feature = "tls")]
mod tls;

use std::net::Ipv4Addr;
use std::time::Duration;

use alibabacloud_credentials::{Credentials, RolePool, SessionStore};
use alibabacloud_emulator::Emulator;
use futures_util::StreamExt;
use redis::AsyncCommands;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use self::support::{Redis, builder, free_port, replica, role, store};

const NAME: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

async fn ids(pool: &RolePool, roles: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..roles {
        ids.push(pool.credentials(&role(number)).await.unwrap().access_key_id().to_owned());
    }
    ids
}

#[tokio::test]
async fn replicas_need_one_call_for_a_session_and_redis_sees_nothing_that_can_be_read() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let emulator = Emulator::builder().start().await.unwrap();
    let monitor = redis::Client::open(redis.url()).unwrap().get_async_monitor().await.unwrap();
    let replicas = [0, 1, 2].map(|_| replica(&emulator, store(redis.url())));
    let [one, two, three] = &replicas;
    let (one, two, three) = tokio::join!(ids(one, 20), ids(two, 20), ids(three, 20));
    assert!(one == two && two == three);
    assert_eq!(emulator.summary().sts.calls, 20);
    let session: Credentials = replicas[0].credentials(&role(7)).await.unwrap();
    let _: () = redis.connection().await.set("last", "the-end-of-the-test").await.unwrap();
    let (mut seen, mut lines) = (String::new(), monitor.into_on_message::<String>());
    while !seen.contains("the-end-of-the-test") {
        seen.push_str(&lines.next().await.unwrap());
        seen.push('\n');
    }
    assert!(seen.contains("\"SET\"") && seen.contains("\"EVAL\"") && seen.contains("session:"), "{seen}");
    let token = session.security_token().unwrap();
    let secrets = [session.access_key_secret(), session.access_key_id(), token, &token[..16]];
    for canary in secrets.into_iter().chain(["canary", "tenant-", "acs:ram", "emulator-ram-user", "STS.", "imm"]) {
        assert!(!seen.contains(canary), "{canary} is in\n{seen}");
    }
}

#[tokio::test]
async fn a_value_that_was_changed_exchanged_or_is_of_another_kind_is_never_anothers_session() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let emulator = Emulator::builder().start().await.unwrap();
    let before = ids(&replica(&emulator, store(redis.url())), 2).await;
    let mut connection = redis.connection().await;
    let keys: Vec<String> = connection.keys("alibabacloud-credentials:session:*").await.unwrap();
    assert_eq!(keys.len(), 2);
    let life: i64 = connection.pttl(&keys[0]).await.unwrap();
    assert!((3_500_000..=3_600_000).contains(&life), "{life} ms");
    let [one, two]: [Vec<u8>; 2] = [connection.get(&keys[0]).await.unwrap(), connection.get(&keys[1]).await.unwrap()];
    let _: () = connection.set(&keys[0], &two).await.unwrap();
    let _: () = connection.set(&keys[1], &one[..one.len() - 1]).await.unwrap();
    let after = ids(&replica(&emulator, store(redis.url())), 2).await;
    assert!(after.iter().all(|id| !before.contains(id)) && emulator.summary().sts.calls == 4);
    for key in &keys {
        let _: () = connection.del(key).await.unwrap();
        let _: () = connection.rpush(key, "another kind").await.unwrap();
    }
    ids(&replica(&emulator, store(redis.url())), 2).await;
    let with_another_key = alibabacloud_credentials::StoreKey::new([8; 32]);
    let stranger = alibabacloud_credentials_redis::RedisStore::new(redis.url(), with_another_key).unwrap();
    let strangers = ids(&replica(&emulator, stranger), 2).await;
    assert!(strangers.iter().all(|id| !after.contains(id)));
}

#[tokio::test]
async fn a_lease_is_one_holders_ends_with_it_and_is_never_anothers_to_end() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let (one, other) = (store(redis.url()), store(redis.url()));
    let mut connection = redis.connection().await;
    let key = format!("alibabacloud-credentials:lease:{NAME}");
    let lease = one.try_lease(NAME).await.unwrap();
    assert!(lease.is_some() && other.try_lease(NAME).await.unwrap().is_none());
    let life: i64 = connection.pttl(&key).await.unwrap();
    assert!((9_000..=10_000).contains(&life), "a process that was killed holds it for {life} ms");
    drop(lease);
    let lease = loop {
        if let Some(lease) = other.try_lease(NAME).await.unwrap() {
            break lease;
        }
    };
    let _: () = connection.set(&key, "somebody else").await.unwrap();
    drop(lease);
    // What the store did before this is done when this is.
    other.load(NAME).await.unwrap();
    other.load(NAME).await.unwrap();
    assert_eq!(connection.get::<_, String>(&key).await.unwrap(), "somebody else");
}

#[tokio::test]
async fn all_replicas_keep_to_one_quota() {
    let Some(redis) = Redis::start(&[]).await else { return };
    let stores = [0, 1, 2].map(|_| builder(redis.url()).quota(10.0).build().unwrap());
    let mut waits = Vec::new();
    for turn in 0..30 {
        waits.push(stores[turn % 3].turn().await.unwrap());
    }
    assert!(waits[0] < ms(1) && waits.is_sorted(), "{waits:?}");
    assert!((ms(2000)..=ms(2900)).contains(&waits[29]), "30 turns at 10 a second: {waits:?}");
    let own = builder(redis.url()).quota(10.0).prefix("another-account").build().unwrap();
    assert!(own.turn().await.unwrap() < ms(1));
    let mut connection = redis.connection().await;
    let replicas: usize = connection.zcard("{alibabacloud-credentials}:replicas").await.unwrap();
    assert_eq!(replicas, 3);
}

/// Asserts that a store at `url` is as if it were absent, but for the share of its quota.
async fn is_absent(url: &str) {
    let emulator = Emulator::builder().start().await.unwrap();
    ids(&replica(&emulator, store(url)), 3).await;
    assert_eq!(emulator.summary().sts.calls, 3, "{url}");
    let alone = builder(url).quota(2.0).expected_replicas(3).build().unwrap();
    let first = alone.turn().await.unwrap();
    let second = alone.turn().await.unwrap();
    assert!(first.is_zero() && (ms(1000)..=ms(1500)).contains(&second), "{url}: {first:?}, {second:?}");
    let error = alone.load(NAME).await.unwrap_err().to_string();
    assert!(error.contains("failed moments ago"), "{url}: {error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_hangs_or_answers_nonsense_is_as_if_it_were_absent() {
    is_absent(&format!("redis://127.0.0.1:{}", free_port())).await;
    for response in ["", "nonsense\r\n", "*1\r\n$-5\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(response.as_bytes()).await;
                open.push(stream);
            }
        });
        is_absent(&format!("redis://127.0.0.1:{port}")).await;
        server.abort();
    }
}

#[tokio::test]
async fn a_server_that_is_full_or_refuses_the_password_is_as_if_it_were_absent() {
    let Some(full) = Redis::start(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]).await else { return };
    is_absent(&full.url()).await;
    let Some(locked) = Redis::start(&[]).await else { return };
    let mut connection = locked.connection().await;
    let _: () =
        redis::cmd("CONFIG").arg(&["SET", "requirepass", "fake-password"]).query_async(&mut connection).await.unwrap();
    is_absent(&format!("redis://:wrong@127.0.0.1:{}", locked.port)).await;
    let right = store(format!("redis://:fake-password@127.0.0.1:{}", locked.port));
    assert_eq!(right.load(NAME).await.unwrap(), None);
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_again_and_a_lost_connection_alone_is_nobodys_error() {
    let Some(mut redis) = Redis::start(&[]).await else { return };
    let store = store(redis.url());
    store.save(NAME, b"sealed".to_vec(), Duration::from_secs(60)).await.unwrap();
    let mut connection = redis.connection().await;
    let _: () = redis::cmd("CLIENT")
        .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"])
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(store.load(NAME).await.unwrap().as_deref(), Some(&b"sealed"[..]));
    redis.kill();
    store.load(NAME).await.unwrap_err();
    redis.restart().await;
    // For five seconds it is not asked.
    let loaded = loop {
        if let Ok(loaded) = store.load(NAME).await {
            break loaded;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(loaded, None);
}

#[test]
fn a_store_works_without_a_runtime() {
    let futures = |url: String| async move { store(url).load(NAME).await };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let Some(redis) = runtime.block_on(Redis::start(&[])) else { return };
    // No tokio around it.
    let mut load = std::pin::pin!(futures(redis.url()));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let loaded = loop {
        if let std::task::Poll::Ready(loaded) = load.as_mut().poll(&mut cx) {
            break loaded;
        }
        std::thread::yield_now();
    };
    assert_eq!(loaded.unwrap(), None);
}
