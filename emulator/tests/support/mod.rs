//! A little HTTP/1.1 client and a little signer, both independent of the emulator's own code.

// Each test file uses a part of it. Tests stop at the first thing that is not as expected.
#![allow(dead_code, clippy::unwrap_used)]

pub(crate) mod rpc;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alibabacloud_emulator::account::{AccessKey, RAM_USER};
use alibabacloud_emulator::{Builder, Emulator};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// 2026-01-02T03:04:05Z
pub(crate) const NOW: Duration = Duration::from_secs(1_767_323_045);

pub(crate) async fn start(builder: Builder) -> Emulator {
    let emulator = builder.start().await.unwrap();
    emulator.freeze_clock_at(UNIX_EPOCH + NOW);
    emulator
}

pub(crate) async fn emulator() -> Emulator {
    start(Emulator::builder()).await
}

/// Key id, secret and, for a session, token.
#[derive(Clone)]
pub(crate) struct Key(pub(crate) String, pub(crate) String, pub(crate) Option<String>);

impl From<AccessKey> for Key {
    fn from(key: AccessKey) -> Self {
        Self(key.id.to_owned(), key.secret.to_owned(), None)
    }
}

#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) query: Vec<(String, String)>,
    /// What stands on the wire after the `?`, when it is not the canonical form.
    pub(crate) wire_query: Option<String>,
    pub(crate) raw_names: bool,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) chunked: bool,
    pub(crate) key: Key,
    pub(crate) at: Option<SystemTime>,
    pub(crate) unsigned: Vec<String>,
    /// Changed after signing.
    pub(crate) path: String,
    pub(crate) tampered: Vec<(String, Option<String>)>,
}

impl Request {
    pub(crate) fn new(version: &str, action: &str) -> Self {
        static NONCE: AtomicU64 = AtomicU64::new(0);
        let headers = [
            ("x-acs-action", action.to_owned()),
            ("x-acs-version", version.to_owned()),
            ("x-acs-signature-nonce", format!("nonce-{}", NONCE.fetch_add(1, Ordering::Relaxed))),
            ("accept", "application/json".to_owned()),
        ];
        Self {
            method: "POST".into(),
            query: Vec::new(),
            wire_query: None,
            raw_names: false,
            headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            body: Vec::new(),
            chunked: false,
            key: RAM_USER.into(),
            at: None,
            unsigned: Vec::new(),
            path: "/".into(),
            tampered: Vec::new(),
        }
    }

    pub(crate) fn imm(action: &str) -> Self {
        Self::new("2020-09-30", action)
    }

    pub(crate) fn sts(action: &str) -> Self {
        Self::new("2015-04-01", action)
    }

    pub(crate) fn assume(role: &str) -> Self {
        let arn = format!("acs:ram::1234567890123456:role/{role}");
        Self::sts("AssumeRole").with("RoleArn", &arn).with("RoleSessionName", "app")
    }

    /// Adds a query parameter, or changes it.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.query.retain(|(other, _)| other != name);
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn key(mut self, key: impl Into<Key>) -> Self {
        self.key = key.into();
        self
    }

    /// A header that is signed.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn form(self, body: &str) -> Self {
        let mut request = self.header("content-type", "application/x-www-form-urlencoded");
        request.body = body.as_bytes().to_vec();
        request
    }

    /// Changes a header after signing, or takes it away.
    pub(crate) fn tamper(mut self, name: &str, value: Option<&str>) -> Self {
        self.tampered.push((name.to_owned(), value.map(str::to_owned)));
        self
    }

    pub(crate) fn canonical(&self, headers: &[(String, String)]) -> String {
        let mut query = self.query.clone();
        query.sort();
        let name = |name: &str| if self.raw_names { name.to_owned() } else { encode(name) };
        let query: Vec<_> = query.iter().map(|(n, v)| format!("{}={}", name(n), encode(v))).collect();
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        format!("{}\n/\n{}\n{lines}\n{}\n{}", self.method, query.join("&"), names.join(";"), sha256(&self.body))
    }

    /// The bytes for the wire.
    pub(crate) fn bytes(&self, emulator: &Emulator) -> Vec<u8> {
        let mut headers = self.headers.clone();
        let mut add = |name: &str, value: String| {
            if !headers.iter().any(|(other, _)| other == name) {
                headers.push((name.to_owned(), value));
            }
        };
        add("host", emulator.http_addr().to_string());
        let at = chrono::DateTime::<chrono::Utc>::from(self.at.unwrap_or_else(|| emulator.now()));
        add("x-acs-date", at.format("%Y-%m-%dT%H:%M:%SZ").to_string());
        add("x-acs-content-sha256", sha256(&self.body));
        if let Some(token) = &self.key.2 {
            add("x-acs-security-token", token.clone());
            add("x-acs-accesskey-id", self.key.0.clone());
        }
        let mut signed: Vec<_> = headers.iter().filter(|(name, _)| !self.unsigned.contains(name)).cloned().collect();
        signed.sort();
        let to_sign = format!("ACS3-HMAC-SHA256\n{}", sha256(self.canonical(&signed).as_bytes()));
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.1.as_bytes()).unwrap();
        mac.update(to_sign.as_bytes());
        let names: Vec<_> = signed.iter().map(|(name, _)| name.as_str()).collect();
        headers.push((
            "authorization".into(),
            format!(
                "ACS3-HMAC-SHA256 Credential={},SignedHeaders={},Signature={}",
                self.key.0,
                names.join(";"),
                hex(&mac.finalize().into_bytes())
            ),
        ));
        for (name, value) in &self.tampered {
            headers.retain(|(other, _)| other != name);
            headers.extend(value.iter().map(|value| (name.clone(), value.clone())));
        }
        let query = self.wire_query.clone().unwrap_or_else(|| {
            let pairs: Vec<_> = self.query.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
            pairs.join("&")
        });
        let mut wire = format!("{} {}?{query} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        for (name, value) in &headers {
            wire.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if self.chunked {
            wire.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
            for chunk in self.body.chunks(7) {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
        } else {
            wire.extend_from_slice(format!("content-length: {}\r\n\r\n", self.body.len()).as_bytes());
            wire.extend_from_slice(&self.body);
        }
        wire
    }

    pub(crate) async fn send(&self, emulator: &Emulator) -> Answer {
        raw(emulator, &self.bytes(emulator)).await
    }

    pub(crate) async fn code(&self, emulator: &Emulator) -> String {
        self.send(emulator).await.code()
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["Code"].as_str().unwrap_or("no Code").to_owned()
    }

    pub(crate) fn message(&self) -> String {
        self.json()["Message"].as_str().unwrap_or("no Message").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    /// The session of an AssumeRole answer.
    pub(crate) fn session(&self) -> Key {
        assert_eq!(self.status, 200, "{}", self.body);
        let credentials = &self.json()["Credentials"];
        let text = |name: &str| credentials[name].as_str().unwrap().to_owned();
        Key(text("AccessKeyId"), text("AccessKeySecret"), Some(text("SecurityToken")))
    }
}

/// Sends bytes on a new connection and reads one answer.
pub(crate) async fn raw(emulator: &Emulator, wire: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(emulator.http_addr()).await.unwrap();
    exchange(&mut stream, wire).await
}

/// A plain request without a body, and its answer.
pub(crate) async fn plain(emulator: &Emulator, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    raw(emulator, format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: 0\r\n\r\n").as_bytes()).await
}

pub(crate) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, wire: &[u8]) -> Answer {
    // A server that refuses early may close before it has read everything; its answer still counts.
    let _ = stream.write_all(wire).await;
    let mut received = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lines = head.split("\r\n");
            let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            let headers: Vec<(String, String)> =
                lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            let answer = Answer { status, headers, body: body.to_owned() };
            let length: usize = answer.header("content-length").parse().unwrap_or(0);
            if answer.body.len() >= length {
                return answer;
            }
        }
        let count = stream.read(&mut buffer).await.unwrap();
        assert_ne!(count, 0, "closed without a whole answer: {text}");
        received.extend_from_slice(&buffer[..count]);
    }
}

pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
