//! Measures a refresher that is seldom asked: its heap, and the CPU time of a read after more than a second without one.
//! `cargo bench --bench idle`.

#![allow(clippy::expect_used, clippy::disallowed_methods, unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Cx, Poll, Waker};
use std::time::{Duration, SystemTime};

use alibabacloud_credentials::{CliProfileProvider, Context, Credentials, EnvironmentProvider, Refresher, provider_fn};

/// Counts the bytes that are allocated and not given back.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const REFRESHERS: usize = 2000;
const ROUNDS: usize = 5;
const TOKEN: usize = 600;

fn main() {
    // Threads, and whatever else is made once for a process.
    drop(warm(1, || Refresher::new(provider_fn("source", || async { Ok(session()) }))));
    let before = LIVE.load(Ordering::Relaxed);
    let kept: Vec<Credentials> = (0..REFRESHERS).map(|_| session()).collect();
    let credential = (LIVE.load(Ordering::Relaxed) - before) / REFRESHERS;
    drop(kept);

    let before = LIVE.load(Ordering::Relaxed);
    let closures = warm(REFRESHERS, || Refresher::new(provider_fn("source", || async { Ok(session()) })));
    let heap = (LIVE.load(Ordering::Relaxed) - before) / REFRESHERS;
    println!("an idle refresher: {heap} bytes of heap, of which {credential} are its credential (a token of {TOKEN})");

    let environment =
        context([("ALIBABA_CLOUD_ACCESS_KEY_ID", "an-id"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "a-secret")]);
    let variables = warm(REFRESHERS, || {
        let source = EnvironmentProvider::new().context(environment.clone());
        Refresher::builder(source).context(environment.clone()).build()
    });
    let folder = std::env::temp_dir().join(format!("idle-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("config.json");
    let profile = r#"{"current":"default","profiles":[{"name":"default","mode":"AK","access_key_id":"an-id","access_key_secret":"a-secret"}]}"#;
    std::fs::write(&file, profile).expect("a file");
    let outside = context([("ALIBABA_CLOUD_CONFIG_FILE", file.to_str().expect("a path"))]);
    let files = warm(REFRESHERS, || {
        let source = CliProfileProvider::new().context(outside.clone());
        Refresher::builder(source).context(outside.clone()).build()
    });
    for (what, refreshers) in [("a closure", &closures), ("variables", &variables), ("a file", &files)] {
        let cost = (0..ROUNDS).map(|_| seldom(refreshers)).fold(f64::INFINITY, f64::min);
        println!("a read after more than a second, source {what}: {cost:.2} us of CPU of the whole process");
    }
    let _ = std::fs::remove_dir_all(&folder);
}

/// A session as STS grants it.
fn session() -> Credentials {
    Credentials::new("STS.NUgYrLnoC37mZZCNnAbez", "CVwjCkNzTMupZ8NbTCxCBRq3K16jtcWFTJAyBEv2")
        .with_security_token("t".repeat(TOKEN))
        .with_expiration(SystemTime::now() + Duration::from_secs(3600 * 12))
}

fn context<const N: usize>(variables: [(&str, &str); N]) -> Context {
    Context::builder().env(variables).build()
}

fn warm(count: usize, make: impl Fn() -> Refresher) -> Vec<Refresher> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut refreshers = Vec::with_capacity(count);
    for _ in 0..count {
        let refresher = make();
        runtime.block_on(refresher.credentials()).expect("credentials");
        refreshers.push(refresher);
    }
    drop(runtime);
    // Until the workers have let go of the last refreshes.
    std::thread::sleep(Duration::from_millis(200));
    refreshers
}

/// Microseconds of CPU time, of all threads, for one read of each after a pause, with all that it sets off.
fn seldom(refreshers: &[Refresher]) -> f64 {
    let cpu = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
    };
    std::thread::sleep(Duration::from_millis(1200));
    let before = cpu();
    for refresher in refreshers {
        let found = pin!(refresher.credentials()).poll(&mut Cx::from_waker(Waker::noop()));
        assert!(matches!(found, Poll::Ready(Ok(_))), "a warm read waits for nobody");
    }
    // Looks at files take place elsewhere.
    std::thread::sleep(Duration::from_millis(300));
    (cpu() - before) / refreshers.len() as f64
}
