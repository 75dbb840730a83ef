//! The emulator in a process of its own, so that its threads, descriptors and memory are not counted.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alibabacloud_emulator::Emulator;

use crate::machine::Peak;

/// Serves until its standard input ends, and says ten times a second how many calls to STS came and were refused.
pub(crate) fn serve(arguments: &mut lexopt::Parser) {
    let mut next = || arguments.value().expect("an argument").into_string().expect("text");
    let address: SocketAddr = next().parse().expect("an address");
    let (rate, seconds): (u32, u32) = (next().parse().expect("a rate"), next().parse().expect("seconds"));
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let emulator = Emulator::builder().http(address).sts_rate(rate).session_seconds(seconds).start().await;
        let emulator = emulator.expect("the emulator starts");
        println!("{}", emulator.http_addr());
        let mut peak = Peak::default();
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let sts = emulator.summary().sts;
            let most = peak.count(sts.calls);
            if writeln!(std::io::stdout(), "{} {} {most:.0}", sts.calls, sts.rejected).is_err() {
                return;
            }
        }
    });
}

/// The process, until this is dropped.
pub(crate) struct Sts {
    child: Child,
    pub(crate) address: SocketAddr,
    counts: Arc<[AtomicU64; 3]>,
}

impl Sts {
    pub(crate) fn start(address: SocketAddr, rate: u32, seconds: u32) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args(["emulator", &address.to_string(), &rate.to_string(), &seconds.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the emulator is started");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let address = lines.next().expect("a line").expect("a line").parse().expect("an address");
        let counts = Arc::<[AtomicU64; 3]>::default();
        let told = Arc::clone(&counts);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let numbers = line.split(' ').filter_map(|number| number.parse().ok());
                told.iter().zip(numbers).for_each(|(told, number)| told.store(number, Ordering::Relaxed));
            }
        });
        Self { child, address, counts }
    }

    /// The next call to STS is answered after so long.
    pub(crate) fn delay_one(&self, delay: Duration) {
        let faults = format!(r#"[{{"route":"sts/AssumeRole","times":1,"delay_ms":{}}}]"#, delay.as_millis());
        let mut stream = TcpStream::connect(self.address).expect("the emulator is there");
        let head =
            "POST /_emulator/faults HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json";
        let written = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{faults}", faults.len());
        written.expect("a request");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("a response");
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    }

    /// Calls and refusals so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.counts[0].load(Ordering::Relaxed), self.counts[1].load(Ordering::Relaxed))
    }

    /// The most calls that came in a second so far.
    pub(crate) fn peak(&self) -> u64 {
        self.counts[2].load(Ordering::Relaxed)
    }
}

impl Drop for Sts {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
