//! What a whole call of `OpenApiClient` costs in CPU time, beside the same by reqwest and a signature by hand. The server is
//! a process of its own, so that its share is not counted. `cargo bench --bench call`.

#![allow(clippy::expect_used, clippy::disallowed_methods)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use alibabacloud_credentials::sign::{acs3, oss4};
use alibabacloud_credentials::{Credentials, OpenApiClient};

const ROUNDS: usize = 9;
const CALLS: u32 = 4000;
const BODY: &str = r#"{"RequestId":"4A5C9B0E-0000-0000-0000-000000000000","Project":{"ProjectName":"testproject"}}"#;

fn main() {
    if std::env::args().any(|argument| argument == "--serve") {
        return serve();
    }
    let program = std::env::current_exe().expect("this program");
    let mut server =
        Command::new(program).arg("--serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a server");
    let mut address = String::new();
    let output = server.stdout.take().expect("its output");
    BufReader::new(output).read_line(&mut address).expect("its address");
    let url = format!("http://{}", address.trim());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = OpenApiClient::new(&url, "2020-09-30", session());
    // reqwest by hand has no TLS provider of its own in this build.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let (mut ours, mut by_hand) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(cost(|| runtime.block_on(call(&client))));
        by_hand.push(cost(|| runtime.block_on(call_by_hand(&http, &url))));
    }
    // The least disturbed round of each.
    let least = |rounds: &[f64]| rounds.iter().copied().fold(f64::INFINITY, f64::min);
    let (ours, by_hand) = (least(&ours), least(&by_hand));
    println!("OpenApiClient {ours:.1} us, by hand {by_hand:.1} us of CPU a call: {:.2} times", ours / by_hand);
    drop(server.stdin.take());
    let _ = server.wait();
}

/// A session as STS grants it.
fn session() -> Credentials {
    Credentials::new("STS.NUgYrLnoC37mZZCNnAbez", "CVwjCkNzTMupZ8NbTCxCBRq3K16jtcWFTJAyBEv2")
        .with_security_token("t".repeat(600))
        .with_expiration(SystemTime::now() + Duration::from_secs(3600))
}

/// Microseconds of CPU time, of all threads, for one call.
fn cost(mut call: impl FnMut()) -> f64 {
    let cpu = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
    };
    let before = cpu();
    for _ in 0..CALLS {
        call();
    }
    (cpu() - before) / f64::from(CALLS)
}

async fn call(client: &OpenApiClient) {
    let answer = client.call("CreateProject", [("ProjectName", "testproject")]).await.expect("an answer");
    assert_eq!(answer.body()["Project"]["ProjectName"], "testproject");
}

/// The least that somebody without this crate's client writes: all that is sent is the same.
async fn call_by_hand(http: &reqwest::Client, url: &str) {
    let credentials = session();
    let mut random = [0; 16];
    getrandom::fill(&mut random).expect("randomness");
    let nonce: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let compact = oss4::date(SystemTime::now());
    let date = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &compact[..4],
        &compact[4..6],
        &compact[6..8],
        &compact[9..11],
        &compact[11..13],
        &compact[13..15]
    );
    let headers = [
        ("host", url.trim_start_matches("http://")),
        ("x-acs-action", "CreateProject"),
        ("x-acs-version", "2020-09-30"),
        ("x-acs-date", &date),
        ("x-acs-signature-nonce", &nonce),
        ("x-acs-content-sha256", acs3::EMPTY_PAYLOAD),
        ("x-acs-accesskey-id", credentials.access_key_id()),
        ("x-acs-security-token", credentials.security_token().expect("a token")),
    ];
    let signed = acs3::Request {
        method: "POST",
        path: "/",
        query: &[("ProjectName", "testproject")],
        headers: &headers,
        payload_sha256: acs3::EMPTY_PAYLOAD,
    };
    let authorization = signed.authorization(credentials.access_key_id(), credentials.access_key_secret());
    let mut request = http.post(format!("{url}/?ProjectName=testproject")).timeout(Duration::from_secs(10));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request =
        request.header("accept", "application/json").header("content-length", 0).header("user-agent", "by hand");
    let answer = request.header("authorization", authorization).send().await.expect("an answer");
    let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON");
    assert_eq!(body["Project"]["ProjectName"], "testproject");
}

/// Answers everything with the same, until its input ends.
fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = connection.set_nodelay(true);
                let (mut writer, mut reader) =
                    (connection.try_clone().expect("a connection"), BufReader::new(connection));
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ndate: Fri, 02 Jan 2026 03:04:05 GMT\r\ncontent-type: application/json\r\n\
                     keep-alive: timeout=25\r\ncontent-length: {}\r\n\r\n{BODY}",
                    BODY.len()
                );
                let mut line = Vec::new();
                while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                    if line == b"\r\n" && writer.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                    line.clear();
                }
            });
        }
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
