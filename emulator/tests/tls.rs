//! HTTPS: the same emulator on a second address.

// Tests stop at the first thing that is not as expected.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::sync::Arc;

use alibabacloud_emulator::{Emulator, Fault};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Request, exchange, start};

const NAME: &str = "sts.aliyuncs.com";

/// A certificate for that name, signed by its own key, good until 2126. Kept as DER: it is for this test only, and no
/// secret scanner should think otherwise.
const CERTIFICATE: &[u8] = include_bytes!("tls/certificate.der");
const KEY: &[u8] = include_bytes!("tls/key.der");
const OTHER_KEY: &[u8] = include_bytes!("../src/key.der");

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        base64::engine::general_purpose::STANDARD.encode(der)
    )
}

struct Secure {
    emulator: Emulator,
}

async fn secure() -> Secure {
    let (chain, key) = (pem("CERTIFICATE", CERTIFICATE), pem("PRIVATE KEY", KEY));
    let emulator = start(Emulator::builder().https((Ipv4Addr::LOCALHOST, 0).into(), chain, key)).await;
    Secure { emulator }
}

impl Secure {
    async fn connect(&self) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(CERTIFICATE)).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(self.emulator.https_addr().unwrap()).await.unwrap();
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(NAME).unwrap(), tcp).await.unwrap()
    }
}

#[tokio::test]
async fn both_addresses_serve_the_same_emulator() {
    let secure = secure().await;
    let emulator = &secure.emulator;
    assert!(emulator.https_endpoint().unwrap().starts_with("https://127.0.0.1:"));
    let mut stream = secure.connect().await;
    for _ in 0..3 {
        let request = Request::sts("GetCallerIdentity").header("host", NAME);
        assert_eq!(exchange(&mut stream, &request.bytes(emulator)).await.status, 200);
    }
    let create = Request::imm("CreateProject").with("ProjectName", "p");
    assert_eq!(exchange(&mut stream, &create.bytes(emulator)).await.status, 200);
    // Over plain HTTP, the same project.
    assert_eq!(Request::imm("GetProject").with("ProjectName", "p").send(emulator).await.status, 200);
    assert_eq!(emulator.calls().len(), 5);
}

#[tokio::test]
async fn clients_that_fail_or_stall_in_the_handshake_hold_up_nobody() {
    let secure = secure().await;
    let address = secure.emulator.https_addr().unwrap();
    let stalled = TcpStream::connect(address).await.unwrap();
    for garbage in [&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], b"\x16\x03\x01\xff\xff", b""] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    let mut stream = secure.connect().await;
    let request = Request::sts("GetCallerIdentity").bytes(&secure.emulator);
    assert_eq!(exchange(&mut stream, &request).await.status, 200);
    drop(stalled);
}

#[tokio::test]
async fn faults_break_secure_connections_too() {
    let secure = secure().await;
    for (fault, kind) in [
        (Fault::answered().truncate(5), ErrorKind::UnexpectedEof),
        (Fault::answered().truncate(5).reset(), ErrorKind::ConnectionReset),
    ] {
        secure.emulator.fail_next("sts/*", fault);
        let mut stream = secure.connect().await;
        stream.write_all(&Request::sts("GetCallerIdentity").bytes(&secure.emulator)).await.unwrap();
        let mut received = Vec::new();
        let error = stream.read_to_end(&mut received).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(String::from_utf8(received).unwrap().ends_with("\r\n\r\n{\"Acc"));
    }
}

#[tokio::test]
async fn what_is_no_certificate_is_refused_at_the_start() {
    let chain = pem("CERTIFICATE", CERTIFICATE);
    for (chain, key) in [
        (String::new(), String::new()),
        (chain.clone(), "x".into()),
        ("x".into(), pem("PRIVATE KEY", KEY)),
        (chain, pem("RSA PRIVATE KEY", OTHER_KEY)),
    ] {
        let builder = Emulator::builder().https((Ipv4Addr::LOCALHOST, 0).into(), chain, key.clone());
        assert!(key.is_empty() || !format!("{builder:?}").contains(&key));
        assert_eq!(builder.start().await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
