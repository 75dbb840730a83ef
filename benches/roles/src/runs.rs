//! The runs: what is asked of the pool, and what is seen meanwhile.

use std::cell::Cell;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc::RecvTimeoutError;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use alibabacloud_credentials::{AssumeRole, Credentials, DefaultCredentialChain, RolePool};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::HEAP;
use crate::emulator::Sts;
use crate::machine::{self, Peak};

#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) roles: usize,
    session_seconds: u32,
    quota: f64,
    /// Set if each role has a caller who asks every second; otherwise the pool is warmed up and nobody asks.
    callers: bool,
    /// The length of the run; 0: until all are served.
    seconds: u64,
    /// The times at which STS goes and comes back.
    outage: Option<(u64, u64)>,
    /// Set if one of the roles trusts nobody.
    denied: bool,
    /// So many roles, the first ones, are asked for every second, and the others every ten; 0: all every second.
    hot: usize,
    /// The limit of descriptors, as `ulimit -n` sets it.
    open_files: Option<u64>,
}

/// The emulator's rate; STS lets about as much pass.
const RATE: u32 = 100;

const COLD: Run = Run {
    name: "cold",
    what: "10,000 roles cold",
    roles: 10_000,
    session_seconds: 3600,
    quota: 97.0,
    callers: false,
    seconds: 0,
    outage: None,
    denied: false,
    hot: 0,
    open_files: None,
};

pub(crate) const RUNS: [Run; 7] = [
    COLD,
    Run { name: "callers", what: "the same, a caller each that asks every second", callers: true, ..COLD },
    Run {
        name: "denied",
        what: "10,000 roles, one of which trusts nobody, for 150 s",
        callers: true,
        seconds: 150,
        denied: true,
        ..COLD
    },
    Run {
        name: "short",
        what: "2,000 roles, 60 s sessions, for 10 min, 128 descriptors allowed",
        roles: 2_000,
        session_seconds: 60,
        callers: true,
        seconds: 600,
        open_files: Some(128),
        ..COLD
    },
    Run {
        name: "impossible",
        what: "10,000 roles, 60 s sessions, for 4 min, a tenth asked for ten times as often",
        roles: 10_000,
        session_seconds: 60,
        callers: true,
        seconds: 240,
        hot: 1_000,
        ..COLD
    },
    Run {
        name: "outage",
        what: "2,000 roles, 300 s sessions, STS down from 100 s to 200 s",
        roles: 2_000,
        session_seconds: 300,
        callers: true,
        seconds: 330,
        outage: Some((100, 200)),
        ..COLD
    },
    Run {
        name: "outage-long",
        what: "10,000 roles, 30 min sessions, STS down for 10 min while they are renewed",
        session_seconds: 1800,
        callers: true,
        seconds: 1620,
        outage: Some((800, 1400)),
        ..COLD
    },
];

/// The counts of one second.
#[derive(Clone, Copy, Default)]
pub(crate) struct Second {
    pub(crate) served: usize,
    pub(crate) calls: u64,
    pub(crate) refused: u64,
}

pub(crate) struct Outcome {
    pub(crate) run: Run,
    pub(crate) seconds: Vec<Second>,
    all_served: Option<Duration>,
    calls: u64,
    refused: u64,
    /// As the emulator counts them when they arrive, and this process when the gate lets them out.
    peak: u64,
    peak_leaving: f64,
    errors: u64,
    /// Credentials that had expired when they were handed out.
    expired: u64,
    slowest: Duration,
    descriptors: usize,
    threads: u64,
    connections: usize,
    /// Of the requests for the hot roles and for the others, the share that was answered within a tenth of a second.
    prompt: Option<[f64; 2]>,
    /// Of the heap, for each role, besides its strings.
    bytes: Option<usize>,
    /// The times of warm reads, and the memory that all of them asked for.
    hit: Option<Hit>,
}

/// The cost of warm reads.
struct Hit {
    /// The least and the middle one of the batches.
    took: [Duration; 2],
    /// Reading both coarse clocks, in the same batches.
    clocks: [Duration; 2],
    /// The bytes that all of them asked the heap for.
    bytes: usize,
}

pub(crate) const HEADER: &str = "| run | all served after | calls | refused | most calls a second | caller errors | expired | slowest caller once served | descriptors | connections | threads | bytes a role |\n|---|---|---|---|---|---|---|---|---|---|---|---|";

impl Outcome {
    pub(crate) fn row(&self) -> String {
        let served = self.all_served.map_or("-".to_owned(), |after| format!("{:.1} s", after.as_secs_f64()));
        let bytes = self.bytes.map_or("-".to_owned(), |bytes| bytes.to_string());
        let slowest = format!("{:.1} s", self.slowest.as_secs_f64());
        let Self { calls, refused, peak, errors, expired, descriptors, connections, threads, .. } = self;
        format!(
            "| {} | {served} | {calls} | {refused} | {peak} | {errors} | {expired} | {slowest} | {descriptors} | {connections} | {threads} | {bytes} |",
            self.run.what
        )
    }

    /// Says in words what has no column.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = vec![format!("at most {:.0} calls a second left this process", self.peak_leaving)];
        if let Some(Hit { took, clocks, bytes }) = &self.hit {
            let [[least, middle], [clocks_least, clocks_middle]] = [took, clocks].map(|it| it.map(|it| it.as_nanos()));
            notes.push(format!(
                "a hit took {middle} ns ({least} in the best of {BATCHES} batches) where reading two coarse clocks took {clocks_middle} ({clocks_least}); {HITS} hits allocated {bytes} bytes"
            ));
        }
        if let Some([hot, others]) = self.prompt {
            notes.push(format!(
                "answered within 0.1 s once all had been served: {:.1} % of the requests for the roles that are asked for every second, {:.1} % of the others",
                hot * 100.0,
                others * 100.0
            ));
        }
        if self.run.session_seconds < 100
            && let Some(served) = self.all_served
        {
            // Renewed at an instant drawn from the first fifth of the second half of their life.
            let every = f64::from(self.run.session_seconds) * 0.55;
            let renewals = self.run.roles as f64 * (self.run.seconds as f64 - served.as_secs_f64() / 2.0) / every;
            notes.push(format!("renewing every {every:.0} s needs {:.0} calls", self.run.roles as f64 + renewals));
        }
        notes
    }
}

fn role(run: &Run, number: usize) -> AssumeRole {
    let name = if run.denied && number == 0 { "denied-role".to_owned() } else { format!("tenant-{number}") };
    AssumeRole::new(format!("acs:ram::1234567890123456:role/{name}")).session_name(format!("tenant-{number}")).policy(
        format!(
            r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"imm:*","Resource":"acs:imm:cn-hangzhou:1234567890123456:project/t{number}"}}]}}"#
        ),
    )
}

/// The bytes of the strings of a role and its session.
fn strings(run: &Run, pool: &RolePool, number: usize) -> usize {
    let role = role(run, number);
    let session = pool.refresher(&role).cached().expect("a session");
    let own = format!("acs:ram::1234567890123456:role/tenant-{number}tenant-{number}").len() + 120;
    let token = session.security_token().map_or(0, str::len);
    own + session.access_key_id().len() + session.access_key_secret().len() + token
}

const HITS: u32 = BATCH * BATCHES as u32;
const BATCH: u32 = 10_000;
const BATCHES: usize = 100;

/// Measures reads of sessions that are there, over a hundred roles in turn, beside what a read cannot do without. The first
/// of each in a second takes the slow path, which allocates.
fn hits(run: &Run, pool: &RolePool) -> Hit {
    use rustix::time::{ClockId, clock_gettime};
    let roles: Vec<AssumeRole> = (0..run.roles.min(100)).map(|number| role(run, number)).collect();
    let (mut took, mut clocks, mut bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..BATCHES {
        let (before, began) = (HEAP.total_allocated(), Instant::now());
        for role in roles.iter().cycle().take(BATCH as usize) {
            let mut read = std::pin::pin!(pool.credentials(role));
            let read = read.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(std::hint::black_box(read), Poll::Ready(Ok(_))), "a warm read waited");
        }
        took.push(began.elapsed() / BATCH);
        bytes += HEAP.total_allocated() - before;
        let began = Instant::now();
        for _ in 0..BATCH {
            std::hint::black_box((clock_gettime(ClockId::RealtimeCoarse), clock_gettime(ClockId::MonotonicCoarse)));
        }
        clocks.push(began.elapsed() / BATCH);
    }
    [&mut took, &mut clocks].into_iter().for_each(|times| times.sort_unstable());
    Hit { took: [took[0], took[BATCHES / 2]], clocks: [clocks[0], clocks[BATCHES / 2]], bytes }
}

/// Counts the calls that leave this process, on a thread of its own, and returns what ends that and tells the most of a second.
fn leaving(pool: &RolePool) -> impl FnOnce() -> f64 {
    let (pool, (stop, stopped)) = (pool.clone(), std::sync::mpsc::channel::<()>());
    let thread = std::thread::spawn(move || {
        let mut peak = Peak::default();
        loop {
            let most = peak.count(pool.stats().calls);
            if stopped.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Disconnected) {
                return most;
            }
        }
    });
    move || {
        drop(stop);
        thread.join().expect("nobody panicked")
    }
}

pub(crate) async fn run(run: Run) -> Outcome {
    machine::limit_descriptors(run.open_files);
    let mut sts = Some(Sts::start(SocketAddr::from(([127, 0, 0, 1], 0)), RATE, run.session_seconds));
    let address = sts.as_ref().map(|sts| sts.address).expect("it is there");
    let context = alibabacloud_credentials::Context::builder().env([
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "emulator-ram-user".to_owned()),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "emulator-ram-user-secret".to_owned()),
        ("ALIBABA_CLOUD_STS_ENDPOINT", format!("http://{address}")),
    ]);
    let chain = DefaultCredentialChain::builder().context(context.build()).build();
    chain.credentials().await.expect("the key");
    let pool = RolePool::builder(&chain).quota(run.quota).build();
    let heap = HEAP.allocated();
    let began = Instant::now();
    let (served, errors, slowest) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)), Rc::new(Cell::new(Duration::ZERO)));
    let mut outcome = Outcome {
        run: run.clone(),
        seconds: Vec::new(),
        all_served: None,
        calls: 0,
        refused: 0,
        peak: 0,
        peak_leaving: 0.0,
        errors: 0,
        expired: 0,
        slowest: Duration::ZERO,
        descriptors: 0,
        threads: 0,
        connections: 0,
        prompt: None,
        bytes: None,
        hit: None,
    };
    let is_warm = Cell::new(false);
    let expired = Cell::new(0);
    // Requests, and those that were answered at once, for the hot roles and for the others.
    let prompt = Cell::new([[0_u64; 2]; 2]);
    let roles = || (0..run.roles).map(|number| role(&run, number));
    let warm_up = async {
        if run.callers {
            return;
        }
        let told = Rc::clone(&served);
        let served_now = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let seen = std::sync::Arc::clone(&served_now);
        let mut warm_up = std::pin::pin!(
            pool.warm_up(roles())
                .on_progress(move |so_far| seen.store(so_far.served, std::sync::atomic::Ordering::Relaxed))
                .into_future()
        );
        let report = std::future::poll_fn(|cx| {
            let poll = warm_up.as_mut().poll(cx);
            told.set(served_now.load(std::sync::atomic::Ordering::Relaxed));
            poll
        })
        .await;
        errors.set(report.failed.len() as u64);
        if let Some((_, error)) = report.failed.first() {
            eprintln!("{} failed, such as: {error}", report.failed.len());
        }
        is_warm.set(true);
    };
    let callers = async {
        if !run.callers {
            return;
        }
        let callers: FuturesUnordered<_> = roles()
            .enumerate()
            .map(|(number, role)| {
                let (pool, served, errors, slowest) = (pool.clone(), &served, &errors, &slowest);
                let (expired, prompt, run) = (&expired, &prompt, &run);
                let is_hot = number < run.hot;
                let pause = Duration::from_secs(if run.hot == 0 || is_hot { 1 } else { 10 });
                async move {
                    let mut had = false;
                    loop {
                        let asked = Instant::now();
                        let answer = pool.credentials(&role).await;
                        let took = asked.elapsed();
                        match &answer {
                            Ok(_) if !std::mem::replace(&mut had, true) => served.set(served.get() + 1),
                            Ok(_) => slowest.set(slowest.get().max(took)),
                            Err(error) => {
                                if errors.replace(errors.get() + 1) == 0 && !run.denied {
                                    eprintln!("{error}");
                                }
                            }
                        }
                        let is_over =
                            |session: &Credentials| session.expiration().is_some_and(|end| end <= SystemTime::now());
                        expired.set(expired.get() + u64::from(answer.as_ref().is_ok_and(is_over)));
                        if run.hot > 0 && served.get() == run.roles {
                            let mut counts = prompt.get();
                            let counted = &mut counts[usize::from(!is_hot)];
                            counted[0] += 1;
                            counted[1] += u64::from(answer.is_ok() && took < Duration::from_millis(100));
                            prompt.set(counts);
                        }
                        tokio::time::sleep(pause).await;
                    }
                }
            })
            .collect();
        callers.for_each(|()| std::future::ready(())).await;
    };
    let wanted = run.roles - usize::from(run.denied);
    let watch = async {
        let (mut before, mut gone) = ((0, 0), (0, 0));
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let elapsed = began.elapsed();
            match (run.outage, &sts) {
                (Some((down, up)), Some(there)) if (down..up).contains(&elapsed.as_secs()) => {
                    let counts = there.counts();
                    gone = (gone.0 + counts.0, gone.1 + counts.1);
                    sts = None;
                }
                (Some((_, up)), None) if elapsed.as_secs() >= up => {
                    sts = Some(Sts::start(address, RATE, run.session_seconds));
                }
                _ => {}
            }
            let (calls, refused) = sts.as_ref().map_or((0, 0), Sts::counts);
            outcome.peak = outcome.peak.max(sts.as_ref().map_or(0, Sts::peak));
            let now = (gone.0 + calls, gone.1 + refused);
            let second =
                Second { served: served.get(), calls: now.0 - before.0, refused: now.1.saturating_sub(before.1) };
            before = now;
            outcome.seconds.push(second);
            outcome.descriptors = outcome.descriptors.max(machine::descriptors());
            // Without the one that counts calls.
            outcome.threads = outcome.threads.max(machine::threads().saturating_sub(1));
            outcome.connections = outcome.connections.max(machine::connections(address.port()));
            if outcome.all_served.is_none() && served.get() >= wanted {
                outcome.all_served = Some(elapsed);
            }
            let is_over = match run.seconds {
                0 => outcome.all_served.is_some() || is_warm.get(),
                seconds => elapsed.as_secs() >= seconds,
            };
            if is_over {
                (outcome.calls, outcome.refused) = now;
                return;
            }
        }
    };
    let work = async {
        tokio::join!(warm_up, callers);
        std::future::pending::<()>().await;
    };
    let leaving = leaving(&pool);
    futures_util::future::select(std::pin::pin!(watch), std::pin::pin!(work)).await;
    outcome.peak_leaving = leaving();
    outcome.errors = errors.get();
    outcome.slowest = slowest.get();
    outcome.expired = expired.get();
    outcome.prompt = (run.hot > 0).then(|| prompt.get().map(|[all, prompt]| prompt as f64 / all.max(1) as f64));
    if !run.callers {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let all = HEAP.allocated().saturating_sub(heap) / run.roles;
        outcome.bytes = Some(all.saturating_sub(strings(&run, &pool, run.roles / 2)));
        outcome.slowest = pool.stats().slowest;
        outcome.hit = Some(hits(&run, &pool));
    }
    outcome
}
