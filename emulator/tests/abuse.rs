//! Two thousand requests that no client should send, each made from a good one by a seeded generator: none may make the
//! emulator panic, and afterwards it still answers. Alone in its file, for it watches the process's panics.

// Tests stop at the first thing that is not as expected.
#![allow(clippy::unwrap_used)]

mod support;

use std::panic;
use std::sync::atomic::{AtomicU32, Ordering};

use alibabacloud_emulator::account::{OIDC_PROVIDER_ARN, TokenOptions, oidc_token};
use alibabacloud_emulator::{Emulator, Fault};
use support::rpc::Rpc;
use support::{Request, emulator};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// xorshift64*: enough to be everywhere once, and the same in every run.
struct Generator(u64);

impl Generator {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let limit = u64::try_from(limit.max(1)).unwrap();
        usize::try_from((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 8) % limit).unwrap()
    }
}

fn good(emulator: &Emulator) -> Vec<Vec<u8>> {
    let token = oidc_token(&TokenOptions::default().issued_at(emulator.now())).unwrap();
    let mut chunked = Request::imm("CreateProject").form("ProjectName=chunked&Tag=%5B%5D");
    chunked.chunked = true;
    let oidc = Rpc::sts("AssumeRoleWithOIDC")
        .unsigned()
        .form("RoleArn", "acs:ram::1234567890123456:role/imm-role")
        .form("OIDCProviderArn", OIDC_PROVIDER_ARN)
        .form("OIDCToken", &token)
        .form("RoleSessionName", "pod");
    let policy = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let plain = |head: &str, body: &str| {
        format!("{head} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    // Not proven, but for what is done before the signature is looked at.
    let object = |head: &str, headers: &str, body: &str| {
        let scope = "emulator-ram-user/20260102/cn-hangzhou/oss/aliyun_v4_request";
        format!(
            "{head} HTTP/1.1\r\nhost: emulator-bucket.localhost\r\nx-oss-date: 20260102T030405Z\r\n\
             x-oss-content-sha256: UNSIGNED-PAYLOAD\r\n{headers}authorization: OSS4-HMAC-SHA256 \
             Credential={scope},AdditionalHeaders=host,Signature=00\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    vec![
        Request::assume("imm-role").with("Policy", policy).bytes(emulator),
        Request::imm("CreateProject").with("ProjectName", "p").with("DatasetMaxBindCount", "3").bytes(emulator),
        Request::imm("ListProjects").with("NextToken", "0123456789abcdef70").header("accept", "text/xml").bytes(emulator),
        chunked.bytes(emulator),
        Rpc::sts("AssumeRole").get().with("RoleArn", "acs:ram::1:role/x").with("DurationSeconds", "900").bytes(emulator),
        Rpc::imm("UpdateProject").form("ProjectName", "p").form("Description", "描述 %").bytes(emulator),
        oidc.bytes(emulator),
        plain("PUT /latest/api/token", "").into_iter().collect(),
        b"PUT /latest/api/token HTTP/1.1\r\nhost: x\r\nX-aliyun-ecs-metadata-token-ttl-seconds: 60\r\n\r\n".to_vec(),
        b"GET /latest/meta-data/ram/security-credentials/imm-role HTTP/1.1\r\nhost: x\r\nX-aliyun-ecs-metadata-token: 00000000000000001111111111111111aaaaaaaaaaaaaaaa\r\n\r\n".to_vec(),
        plain("GET /credentials", ""),
        object("PUT /emulator-bucket/films/a%20b.mp4", "content-type: text/plain\r\nx-oss-meta-a: b\r\n", "a film"),
        object("GET /emulator-bucket/films/a%20b.mp4?response-expires=x", "range: bytes=0-3\r\n", ""),
        object("GET /emulator-bucket?list-type=2&prefix=%E4%B8%AD&max-keys=7&continuation-token=ab", "", ""),
        b"GET /?offset=0&size=10 HTTP/1.1\r\nhost: x\r\ndate: Fri, 02 Jan 2026 03:04:05 GMT\r\nx-log-apiversion: 0.6.0\r\nx-log-signaturemethod: hmac-sha1\r\nauthorization: LOG emulator-ram-user:c2ln\r\n\r\n".to_vec(),
        plain("GET /emulator-bucket/k?OSSAccessKeyId=emulator-ram-user&Expires=1&Signature=a%2Bb%3D", ""),
        plain(
            "GET /emulator-bucket/k?x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-date=20260102T030405Z&x-oss-expires=600\
             &x-oss-credential=emulator-ram-user%2F20260102%2Fcn-hangzhou%2Foss%2Faliyun_v4_request&x-oss-signature=00",
            "",
        ),
        plain("POST /_emulator/faults", r#"[{"route":"sts/*","times":1,"status":503,"truncate":4,"body":"x"}]"#),
        plain("POST /_emulator/clock", r#"{"advance_seconds": 1}"#),
        plain("GET http://imm.cn-hangzhou.aliyuncs.com:80/?Action=ListProjects&Version=2020-09-30&SignatureVersion=1.0", ""),
    ]
}

const ODDITIES: [&[u8]; 16] = [
    b"\r\n",
    b"\0",
    b"\xff\xfe",
    b"%",
    b"%zz",
    b"&",
    b"==",
    b"99999999999999999999",
    b"-1",
    b"host: y\r\n",
    b"transfer-encoding: chunked\r\n",
    b"content-length: 18446744073709551615\r\n",
    b"authorization: ACS3-HMAC-SHA256 Credential=,SignedHeaders=;;,Signature=\r\n",
    b"x-acs-date: 9999-12-31T23:59:59Z\r\n",
    b"\xe9\x94\xae",
    b"Signature=&Signature=x&SignatureVersion=1.0",
];

fn spoiled(mut wire: Vec<u8>, generator: &mut Generator) -> Vec<u8> {
    for _ in 0..=generator.below(4) {
        let at = generator.below(wire.len());
        match generator.below(6) {
            0 => wire[at] = u8::try_from(generator.below(256)).unwrap(),
            1 => wire.truncate(at.max(1)),
            2 => drop(wire.splice(at..at, ODDITIES[generator.below(ODDITIES.len())].iter().copied())),
            3 => {
                let end = (at + generator.below(40)).min(wire.len());
                let part = wire[at..end].to_vec();
                wire.splice(at..at, part);
            }
            4 => {
                let end = (at + generator.below(40)).min(wire.len());
                wire.drain(at..end);
            }
            _ => drop(wire.splice(at..at, std::iter::repeat_n(b'a', generator.below(3_000)))),
        }
        if wire.is_empty() {
            wire.push(b'x');
        }
    }
    wire
}

async fn send(emulator: &Emulator, wire: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(emulator.http_addr()).await.unwrap();
    let _ = stream.write_all(wire).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

#[tokio::test]
async fn nothing_makes_it_panic() {
    static PANICS: AtomicU32 = AtomicU32::new(0);
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        usual(info);
    }));
    let emulator = emulator().await;
    let good = good(&emulator);
    let mut generator = Generator(SEED);
    let mut answered = 0;
    for number in 0..2_000 {
        let wire = spoiled(good[generator.below(good.len())].clone(), &mut generator);
        answered += usize::from(send(&emulator, &wire).await.starts_with(b"HTTP/1.1 "));
        assert_eq!(PANICS.load(Ordering::Relaxed), 0, "request {number}: {}", String::from_utf8_lossy(&wire));
    }
    // Most of them came through to the emulator's own checks.
    assert!(answered > 1_000, "{answered}");

    // More headers, and longer ones, than the HTTP layer takes.
    let many: String = (0..5_000).map(|number| format!("x-acs-{number}: v\r\n")).collect();
    send(&emulator, format!("POST / HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes()).await;
    send(&emulator, format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", "h".repeat(1 << 20)).as_bytes()).await;
    emulator.clear_faults();
    emulator.freeze_clock_at(std::time::UNIX_EPOCH + support::NOW);
    // 100,000 parameters, unsigned and all signed.
    let mut request = Rpc::imm("CreateProject").with("ProjectName", "many");
    request.form = (0..100_000).map(|number| (format!("k{number}"), String::new())).collect();
    assert_eq!(request.clone().unsigned().code(&emulator).await, "MissingAccessKeyId");
    assert_eq!(request.clone().send(&emulator).await.status, 200);
    assert_eq!(request.tamper("k0", "1").code(&emulator).await, "InvalidParameter");
    emulator.fail_next("sts/*", Fault::new(u16::MAX, "\0\n").header("\0", "\n").truncate(usize::MAX).times(2));
    assert_eq!(Rpc::sts("GetCallerIdentity").send(&emulator).await.status, 500);
    emulator.fail_next("sts/*", Fault::new(100, "Continue"));
    emulator.clear_faults();
    assert_eq!(Rpc::sts("GetCallerIdentity").send(&emulator).await.status, 200);
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}
