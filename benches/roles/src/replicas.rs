//! Three processes that share ten thousand roles through Redis, once in peace and once with a server that is killed and comes back.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alibabacloud_credentials::{AssumeRole, Context, DefaultCredentialChain, RolePool, StoreKey};
use alibabacloud_credentials_redis::RedisStore;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::emulator::Sts;
use crate::machine;

const REPLICAS: usize = 3;
/// When the server is killed and when it is back, in seconds.
const KILLED: (u64, u64) = (40, 55);

/// One of the processes: a caller for each role that asks every second. Says each second how many roles it has served, how many
/// errors its callers saw, and the most descriptors and threads so far.
pub(crate) fn work(arguments: &mut lexopt::Parser) {
    let mut next = || arguments.value().expect("an argument").into_string().expect("text");
    let (endpoint, url, roles) = (next(), next(), next().parse::<usize>().expect("a number"));
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let context = Context::builder().env([
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "emulator-ram-user".to_owned()),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "emulator-ram-user-secret".to_owned()),
        ("ALIBABA_CLOUD_STS_ENDPOINT", endpoint),
    ]);
    let chain = DefaultCredentialChain::builder().context(context.build()).build();
    let store = RedisStore::new(url, StoreKey::new([7; 32])).expect("a store");
    let pool = RolePool::builder(chain).shared(store).build();
    let (served, errors) = (Cell::new(0), Cell::new(0));
    let callers: FuturesUnordered<_> = (0..roles)
        .map(|number| {
            let (pool, served, errors) = (pool.clone(), &served, &errors);
            let arn = format!("acs:ram::1234567890123456:role/tenant-{number}");
            let role = AssumeRole::new(arn).session_name(format!("canary-{number}"));
            async move {
                let mut had = false;
                loop {
                    match pool.credentials(&role).await {
                        Ok(_) if !std::mem::replace(&mut had, true) => served.set(served.get() + 1),
                        Ok(_) => {}
                        Err(error) => {
                            if errors.replace(errors.get() + 1) == 0 {
                                eprintln!("{error}");
                            }
                        }
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        })
        .collect();
    let report = async {
        let (mut descriptors, mut threads) = (0, 0);
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            descriptors = descriptors.max(machine::descriptors());
            threads = threads.max(machine::threads());
            println!("{} {} {descriptors} {threads}", served.get(), errors.get());
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::select! {
            () = report => (),
            () = callers.for_each(|()| std::future::ready(())) => (),
        }
    });
}

/// One of the processes as the run sees it.
struct Replica {
    child: Child,
    said: Arc<[AtomicU64; 4]>,
}

impl Replica {
    fn start(sts: &Sts, port: u16, roles: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "replica",
                &format!("http://{}", sts.address),
                &format!("redis://127.0.0.1:{port}"),
                &roles.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process is started");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let said = Arc::<[AtomicU64; 4]>::default();
        let told = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let numbers = line.split(' ').filter_map(|number| number.parse().ok());
                told.iter().zip(numbers).for_each(|(told, number)| told.store(number, Ordering::Relaxed));
            }
        });
        Self { child, said }
    }

    fn said(&self, which: usize) -> u64 {
        self.said[which].load(Ordering::Relaxed)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Redis(Child);

impl Redis {
    fn start(port: u16) -> Self {
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Self(child)
    }

    /// Keeps whether anything of a role, a key or a session went by that can be read, and the number of commands.
    fn watch(&self, port: u16, leaks: &Arc<Mutex<Vec<String>>>, commands: &Arc<AtomicU64>) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it is there");
        stream.write_all(b"MONITOR\r\n").expect("it listens");
        let (leaks, commands) = (Arc::clone(leaks), Arc::clone(commands));
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                commands.fetch_add(1, Ordering::Relaxed);
                let canaries = ["canary", "tenant", "acs:ram", "emulator-ram-user", "STS.", "AccessKey", "Token"];
                if canaries.iter().any(|canary| line.contains(canary)) {
                    leaks.lock().expect("nobody panicked").push(line);
                }
            }
        });
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run(roles: usize) {
    println!(
        "| run | all served after | calls | refused | most calls a second | caller errors | descriptors | connections | threads | commands, readable |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    for (what, is_killed) in [("peace", false), ("Redis killed and restarted", true)] {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("a port").port();
        let sts = Sts::start(SocketAddr::from(([127, 0, 0, 1], 0)), 100, 3600);
        let (leaks, commands) = (Arc::default(), Arc::default());
        let mut redis = Some(Redis::start(port));
        redis.iter().for_each(|redis| redis.watch(port, &leaks, &commands));
        let began = Instant::now();
        let replicas: Vec<Replica> = (0..REPLICAS).map(|_| Replica::start(&sts, port, roles)).collect();
        let mut connections = 0;
        let is_over = AtomicBool::new(false);
        while !is_over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_secs(1));
            let elapsed = began.elapsed().as_secs();
            if is_killed && redis.is_some() && (KILLED.0..KILLED.1).contains(&elapsed) {
                redis = None;
            } else if redis.is_none() && elapsed >= KILLED.1 {
                let started = Redis::start(port);
                started.watch(port, &leaks, &commands);
                redis = Some(started);
            }
            connections = connections.max(machine::connections(sts.address.port()));
            let is_served = replicas.iter().all(|replica| replica.said(0) >= roles as u64);
            is_over.store(is_served || elapsed > 600, Ordering::Relaxed);
        }
        let took = began.elapsed().as_secs_f64();
        let ((calls, refused), peak) = (sts.counts(), sts.peak());
        let errors: u64 = replicas.iter().map(|replica| replica.said(1)).sum();
        let most = |which| replicas.iter().map(|replica| replica.said(which)).max().unwrap_or_default();
        let (descriptors, threads) = (most(2), most(3));
        let leaks = leaks.lock().expect("nobody panicked");
        let commands = commands.load(Ordering::Relaxed);
        println!(
            "| 3 processes, {roles} roles each, {what} | {took:.1} s | {calls} | {refused} | {peak} | {errors} | {descriptors} | {connections} in all | {threads} | {commands}, {} |",
            leaks.len()
        );
        leaks.iter().take(3).for_each(|leak| println!("{leak}"));
    }
}
