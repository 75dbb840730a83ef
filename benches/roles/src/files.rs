//! Sixty-four processes of one host that need one role, and share a `FileStore`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alibabacloud_credentials::{AssumeRole, Context, DefaultCredentialChain, FileStore, RolePool};

use crate::emulator::Sts;

const PROCESSES: usize = 64;

/// One of the processes: asks once, and says the key id of its session.
pub(crate) fn work(arguments: &mut lexopt::Parser) {
    let mut next = || arguments.value().expect("an argument").into_string().expect("text");
    let (endpoint, folder) = (next(), next());
    let context = Context::builder().env([
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "emulator-ram-user".to_owned()),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "emulator-ram-user-secret".to_owned()),
        ("ALIBABA_CLOUD_STS_ENDPOINT", endpoint),
    ]);
    let chain = DefaultCredentialChain::builder().context(context.build()).build();
    let pool = RolePool::builder(chain).shared(FileStore::at(folder)).build();
    let role = AssumeRole::new("acs:ram::1234567890123456:role/tenant-1").session_name("job");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let session = runtime.block_on(pool.credentials(&role)).expect("a session");
    println!("{}", session.access_key_id());
}

fn start(sts: &Sts, folder: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["worker", &format!("http://{}", sts.address)])
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process is started")
}

fn ids(children: Vec<Child>) -> Vec<String> {
    let output = |child: Child| child.wait_with_output().expect("its output");
    let mut ids: Vec<String> = children
        .into_iter()
        .map(output)
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Waits until the emulator has said what came.
fn until_calls(sts: &Sts, calls: u64) {
    while sts.counts().0 < calls {
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn run() {
    let folder = std::env::temp_dir().join(format!("acs-roles-{}", std::process::id()));
    println!("| run | calls | sessions | all served after |\n|---|---|---|---|");
    for (what, is_killed) in [("64 processes, one role", false), ("the same, the one that calls is killed", true)] {
        let sts = Sts::start(SocketAddr::from(([127, 0, 0, 1], 0)), 100, 3600);
        if is_killed {
            sts.delay_one(Duration::from_secs(9));
            let mut holder = start(&sts, &folder);
            // Its call is under way for longer than anybody waits for it.
            std::thread::sleep(Duration::from_secs(2));
            holder.kill().expect("it is killed");
            let _ = holder.wait();
        }
        let began = Instant::now();
        let children: Vec<Child> = (0..PROCESSES).map(|_| start(&sts, &folder)).collect();
        let ids = ids(children);
        let took = began.elapsed();
        until_calls(&sts, 1);
        std::thread::sleep(Duration::from_millis(300));
        let calls = sts.counts().0;
        println!("| {what} | {calls} | {} | {:.1} s |", ids.len(), took.as_secs_f64());
        let _ = std::fs::remove_dir_all(&folder);
    }
}
