//! Load on `alicred serve`, beside a plain axum handler that gives the same bytes. Linux.
//!
//! ```text
//! cargo build --release -p alicred
//! cd benches/serve && cargo run --release -- ../../target/release/alicred [ROUNDS] [REQUESTS]
//! ```
//!
//! Both servers are processes of their own with one thread each, and are asked in turn, ROUNDS times, by 16 connections that
//! are kept. The result is the median of the rounds' ratios, and the resident memory of `alicred serve` after each round and with
//! 10,000 idle connections.

#![allow(clippy::disallowed_methods)] // it measures the real world

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use alibabacloud_emulator::{Emulator, account};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const CONNECTIONS: usize = 16;
const ROLE: &str = "acs:ram::1234567890123456:role/imm-role";
/// The argument that makes this program the plain server.
const PLAIN: &str = "plain";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [PLAIN, body] => plain(body.to_owned()).await,
        [program] => compare(program, 5, 200_000).await,
        [program, rounds] => compare(program, rounds.parse()?, 200_000).await,
        [program, rounds, requests] => compare(program, rounds.parse()?, requests.parse()?).await,
        _ => Err("usage: alicred-serve-bench PATH-OF-ALICRED [ROUNDS] [REQUESTS]".into()),
    }
}

/// A server that prints its URL and ends with this program.
struct Server {
    child: Child,
    address: String,
    path: String,
}

impl Server {
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let url = line.trim().strip_prefix("http://").ok_or_else(|| format!("no URL but {line:?}"))?.to_owned();
        let (address, path) = url.split_once('/').ok_or("no path")?;
        Ok(Self { child, address: address.to_owned(), path: format!("/{path}") })
    }

    /// Resident memory in KiB.
    fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim_end_matches("kB").trim().parse()?)
    }

    /// Answers a second under the load of all connections.
    async fn load(&self, requests: usize) -> Result<f64> {
        let began = Instant::now();
        let each = requests / CONNECTIONS;
        let tasks: Vec<_> =
            (0..CONNECTIONS).map(|_| tokio::spawn(ask(self.address.clone(), self.path.clone(), each))).collect();
        for task in tasks {
            task.await?.map_err(|error| error.to_string())?;
        }
        Ok((each * CONNECTIONS) as f64 / began.elapsed().as_secs_f64())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn compare(program: &str, rounds: usize, requests: usize) -> Result<()> {
    let emulator = Emulator::builder().start().await?;
    let mut command = Command::new(program);
    command.args(["serve", "--role", ROLE]).env_clear().envs([
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", account::RAM_USER.id),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account::RAM_USER.secret),
        ("ALIBABA_CLOUD_STS_ENDPOINT", &emulator.endpoint()),
    ]);
    // Its emulator is served by this thread meanwhile.
    let ours = tokio::task::spawn_blocking(move || Server::start(&mut command).map_err(|error| error.to_string()));
    let ours = ours.await??;
    let body = one(&ours).await?;
    let plain = Server::start(Command::new(std::env::current_exe()?).args([PLAIN, &body]))?;
    println!("{:>5} {:>12} {:>12} {:>6} {:>10}", "round", "alicred/s", "axum/s", "ratio", "RSS KiB");
    let mut ratios = Vec::new();
    for round in 1..=rounds {
        let (own, other) = (ours.load(requests).await?, plain.load(requests).await?);
        ratios.push(own / other);
        println!("{round:>5} {own:>12.0} {other:>12.0} {:>6.2} {:>10}", own / other, ours.memory()?);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2} (at least 0.80)", ratios[ratios.len() / 2]);
    let held = idle(&ours).await;
    one(&ours).await?;
    println!("{} idle connections, then an answer; RSS {} KiB", held.len(), ours.memory()?);
    Ok(())
}

/// Connections that send half a header, as many as this process may have: see `ulimit -n`. The server keeps few of them.
async fn idle(server: &Server) -> Vec<TcpStream> {
    let mut held = Vec::new();
    while held.len() < 10_000 {
        let Ok(mut stream) = TcpStream::connect(&server.address).await else { break };
        // It may have been closed already.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost:").await;
        held.push(stream);
    }
    held
}

/// The body of one answer.
async fn one(server: &Server) -> Result<String> {
    let mut stream = TcpStream::connect(&server.address).await?;
    stream.write_all(request(&server.address, &server.path).as_bytes()).await?;
    let mut buffer = Vec::new();
    let (head, length) = read(&mut stream, &mut buffer).await?;
    Ok(String::from_utf8(buffer[head..head + length].to_vec())?)
}

/// Asks again and again on one connection.
async fn ask(
    address: String,
    path: String,
    count: usize,
) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let (request, mut buffer) = (request(&address, &path), Vec::new());
    for _ in 0..count {
        stream.write_all(request.as_bytes()).await?;
        buffer.clear();
        read(&mut stream, &mut buffer).await?;
        if !buffer.starts_with(b"HTTP/1.1 200 ") {
            return Err(String::from_utf8_lossy(&buffer).into());
        }
    }
    Ok(())
}

fn request(address: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: */*\r\n\r\n")
}

/// Reads one answer, and returns where its body starts and how long it is.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<(usize, usize)> {
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let Some(head) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4) else { continue };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if buffer.len() >= head + length {
            return Ok((head, length));
        }
    }
}

/// The plain handler: the same bytes, and no check at all.
async fn plain(body: String) -> Result<()> {
    let answer = move || {
        let body = body.clone();
        async move { ([("content-type", "application/json")], body) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/", listener.local_addr()?);
    let routes = axum::Router::new().route("/", axum::routing::get(answer));
    axum::serve(listener, routes).await?;
    Ok(())
}
