//! HTTPS with real certificates, good and bad: whom the `Context`'s roots vouch for is asked, and nobody else is.

#![allow(clippy::unwrap_used)]

#[path = "../support/drive.rs"]
mod drive;
#[allow(dead_code)] // each test takes what it needs
#[path = "../support/server.rs"]
mod server;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alibabacloud_credentials::{
    AssumeRole, Context, Credentials, CredentialsUriProvider, DefaultCredentialChain, Error, ErrorKind, OpenApiClient,
    Refresher, TestClock, TlsLibrary,
};
use alibabacloud_emulator::{Emulator, account};
use drive::drive;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use server::{Server, close, reset};

/// What every clock shows, but for the one that certificates are judged by: that is the system's.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// The path of the emulator's credentials URI.
const CREDENTIALS: &str = "/credentials";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new([]).unwrap();
    // Another name than the servers', or OpenSSL takes those for their own issuers.
    params.distinguished_name.push(DnType::CommonName, "an authority of the tests");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server's certificate and key, as PEM.
fn certificate(
    name: &str,
    change: impl FnOnce(&mut CertificateParams),
    issuer: Option<&Authority>,
) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    change(&mut params);
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer),
        None => params.self_signed(&key),
    };
    (certificate.unwrap().pem(), key.serialize_pem())
}

async fn emulator((certificate, key): (String, String)) -> Emulator {
    let builder = Emulator::builder().https((Ipv4Addr::LOCALHOST, 0).into(), certificate, key);
    let emulator = builder.start().await.unwrap();
    emulator.freeze_clock_at(now());
    emulator
}

/// `localhost`, which is the name in a good certificate.
fn host(emulator: &Emulator) -> String {
    format!("localhost:{}", emulator.https_addr().unwrap().port())
}

/// A file of its own for each test.
fn file(test: &str, name: &str, content: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tls").join(test);
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// Everyone who asks over HTTPS, in a world with these roots: AssumeRole, a call, the credentials URI.
async fn ask(host: &str, roots: (&str, &Path)) -> [(&'static str, Result<(), Error>); 3] {
    ask_by(None, host, roots).await
}

/// The same by a TLS library of choice.
async fn ask_by(
    library: Option<TlsLibrary>,
    host: &str,
    (variable, path): (&str, &Path),
) -> [(&'static str, Result<(), Error>); 3] {
    let clock = TestClock::new(now());
    let builder = library.into_iter().fold(Context::builder(), |builder, library| builder.tls(library));
    let context = builder
        .clock(clock.clone())
        .env([
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", account::RAM_USER.id),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account::RAM_USER.secret),
            ("ALIBABA_CLOUD_STS_ENDPOINT", host),
            (variable, path.to_str().unwrap()),
        ])
        .build();
    let chain = DefaultCredentialChain::builder().context(context.clone());
    let role = chain.assume_role(AssumeRole::new("acs:ram::1234567890123456:role/imm-role")).build();
    let key = DefaultCredentialChain::builder().context(context.clone()).build();
    let imm = OpenApiClient::new(host, "2020-09-30", key);
    let uri = CredentialsUriProvider::new().uri(format!("https://{host}{CREDENTIALS}")).context(context.clone());
    let uri = Refresher::builder(uri).context(context).build();
    [
        ("AssumeRole", drive(&clock, role.credentials()).await.map(drop)),
        ("a call", drive(&clock, imm.call("ListProjects", [])).await.map(drop)),
        ("the credentials URI", drive(&clock, uri.credentials()).await.map(drop)),
    ]
}

#[tokio::test]
async fn a_server_that_the_contexts_roots_vouch_for_is_asked_and_no_provider_is_installed_for_the_process() {
    let ca = authority();
    let emulator = emulator(certificate("localhost", |_| {}, Some(&ca))).await;
    let roots = file("good", "ca.pem", &ca.pem());
    // A directory as `openssl rehash` leaves it; any hash will do.
    let rehashed = file("good-directory", "0123abcd.0", &ca.pem());
    for roots in [("SSL_CERT_FILE", roots.as_path()), ("SSL_CERT_DIR", rehashed.parent().unwrap())] {
        for (what, result) in ask(&host(&emulator), roots).await {
            assert!(result.is_ok(), "{what} by {}: {result:?}", roots.0);
        }
    }
    assert_eq!((emulator.calls().len(), emulator.summary().rejected), (6, 0));
    assert!(rustls::crypto::CryptoProvider::get_default().is_none(), "the process' own choice is left to it");
}

/// A runtime for each worker thread, as servers have that keep to one core a thread.
#[tokio::test]
async fn runtimes_read_the_roots_once_between_them() {
    let ca = authority();
    let emulator = emulator(certificate("localhost", |_| {}, Some(&ca))).await;
    let roots = file("many-runtimes", "ca.pem", &ca.pem());
    let context = Context::builder().clock(TestClock::new(now())).env([("SSL_CERT_FILE", roots.to_str().unwrap())]);
    let key = Credentials::new(account::RAM_USER.id, account::RAM_USER.secret);
    let key = Refresher::builder(key).context(context.build()).build();
    let imm = OpenApiClient::new(host(&emulator), "2020-09-30", key);
    let call = move || {
        let imm = imm.clone();
        let on_its_own = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { imm.call("ListProjects", []).await.map(drop) })
        };
        tokio::task::spawn_blocking(on_its_own)
    };
    call().await.unwrap().unwrap();
    std::fs::remove_file(&roots).unwrap();
    for other in [call(), call(), call()] {
        other.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn each_library_of_the_build_asks_whom_the_roots_vouch_for_and_nobody_else_and_a_missing_one_is_named() {
    let (ca, other) = (authority(), authority());
    let good = emulator(certificate("localhost", |_| {}, Some(&ca))).await;
    let bad = emulator(certificate("localhost", |_| {}, Some(&other))).await;
    let roots = file("libraries", "ca.pem", &ca.pem());
    for (library, feature, is_built) in [
        (TlsLibrary::Ring, "reqwest", true),
        (TlsLibrary::AwsLcRs, "aws-lc-rs", cfg!(feature = "aws-lc-rs")),
        (TlsLibrary::Native, "native-tls", cfg!(feature = "native-tls")),
    ] {
        for (who, result) in ask_by(Some(library), &host(&good), ("SSL_CERT_FILE", &roots)).await {
            match result {
                Ok(()) => assert!(is_built, "{who}, {library:?}"),
                Err(error) => {
                    assert!(!is_built, "{who}, {library:?}: {error}");
                    assert_eq!((error.kind(), error.code()), (ErrorKind::Failed, Some("HttpClientSetup")), "{error}");
                    assert!(error.message().contains(&format!("`{feature}`")), "{error}");
                    assert!(!error.is_transient() && !error.to_string().contains("it may pass"), "{error}");
                }
            }
        }
        for (who, result) in ask_by(Some(library), &host(&bad), ("SSL_CERT_FILE", &roots)).await {
            let code = if is_built { "TlsFailed" } else { "HttpClientSetup" };
            assert_eq!(result.unwrap_err().code(), Some(code), "{who}, {library:?}");
        }
    }
    assert_eq!(bad.calls().len(), 0);
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

#[tokio::test]
async fn a_server_that_they_do_not_vouch_for_is_asked_nothing() {
    let (ca, other) = (authority(), authority());
    let roots = file("bad", "ca.pem", &ca.pem());
    let bad = [
        ("another name", certificate("sts.aliyuncs.com", |_| {}, Some(&ca))),
        ("expired", certificate("localhost", |params| params.not_after = date_time_ymd(2020, 1, 1), Some(&ca))),
        ("not yet valid", certificate("localhost", |params| params.not_before = date_time_ymd(2120, 1, 1), Some(&ca))),
        ("self-signed", certificate("localhost", |_| {}, None)),
        ("of an authority that is not trusted", certificate("localhost", |_| {}, Some(&other))),
    ];
    for (what, certificate) in bad {
        let emulator = emulator(certificate).await;
        for (who, result) in ask(&host(&emulator), ("SSL_CERT_FILE", &roots)).await {
            let error = result.unwrap_err();
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::Unreachable, Some("TlsFailed")),
                "{who}, {what}: {error}"
            );
            assert!(error.message().contains(&host(&emulator)), "{who}, {what}: {error}");
            assert!(error.remedy().unwrap().contains("SSL_CERT_FILE"), "{who}, {what}: {error}");
            assert!(!error.to_string().contains("RoleArn"), "{who}, {what}: the URL is in it: {error}");
        }
        assert_eq!(emulator.calls().len(), 0, "{what}");
    }
}

#[tokio::test]
async fn roots_that_cannot_be_read_are_named_and_nobody_is_asked() {
    let ca = authority();
    let emulator = emulator(certificate("localhost", |_| {}, Some(&ca))).await;
    let pem = ca.pem();
    let hopeless = file("no-certificate", "0123abcd.0", "no certificate");
    for (variable, path) in [
        ("SSL_CERT_FILE", file("unreadable", "truncated.pem", &pem[..pem.len() / 2])),
        ("SSL_CERT_FILE", file("unreadable", "words.pem", "no certificate")),
        ("SSL_CERT_FILE", PathBuf::from("/no/such/file.pem")),
        ("SSL_CERT_DIR", hopeless.parent().unwrap().to_owned()),
    ] {
        for (who, result) in ask(&host(&emulator), (variable, &path)).await {
            let error = result.unwrap_err();
            assert!(error.message().contains(&format!("{variable} ({})", path.display())), "{who}, {path:?}: {error}");
            assert!(!error.is_transient() && !error.to_string().contains("it may pass"), "{error}");
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::Failed, Some("HttpClientSetup")),
                "{who}, {path:?}: {error}"
            );
        }
    }
    assert_eq!(emulator.calls().len(), 0);
}

#[tokio::test]
async fn a_server_that_gives_up_the_handshake_or_speaks_no_tls_has_been_told_nothing() {
    let ca = authority();
    let roots = file("handshake", "ca.pem", &ca.pem());
    for (what, then, code) in [
        ("answers in plain HTTP", close("HTTP/1.1 400 Bad Request\r\n\r\n"), "TlsFailed"),
        ("closes", close(""), "ConnectFailed"),
        ("closes after an alert", close(&b"\x15\x03\x03\x00\x02\x02\x28"[..]), "TlsFailed"),
        ("closes within its first record", close(&b"\x16\x03\x03\x40\x00\x02"[..]), "ConnectFailed"),
        ("resets", reset(""), "ConnectFailed"),
    ] {
        let server = Server::of(then).await;
        let host = format!("localhost:{}", server.address.port());
        for (who, result) in ask(&host, ("SSL_CERT_FILE", &roots)).await {
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Unreachable, Some(code)), "{who}, {what}: {error}");
            assert!(error.message().contains(&host) && error.remedy().is_some(), "{who}, {what}: {error}");
        }
    }
}
