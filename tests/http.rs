//! The HTTP client against servers that misbehave: a typed error each, in bounded time and memory, with nothing leaked.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use alibabacloud_credentials::{
    AssumeRole, Context, ContextBuilder, DefaultCredentialChain, Error, ErrorKind, TestClock,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What a server does with a connection once it has read a request's head.
#[derive(Clone, Copy)]
enum Then {
    /// Sends this, and closes.
    Close(&'static [u8]),
    /// Sends this, and resets.
    Reset(&'static [u8]),
    /// Sends this, and says nothing more.
    Hang(&'static [u8]),
    /// Sends the first, then the second for ever.
    Endless(&'static [u8], &'static [u8]),
}

/// A server on loopback; every head that it reads is told.
async fn serve(then: Then) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, heads) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(answer(connection, then, tell.clone()));
        }
    });
    (address, heads)
}

async fn answer(mut connection: TcpStream, then: Then, tell: mpsc::UnboundedSender<String>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 64 * 1024 {
        // What is no HTTP (a TLS greeting) ends where the client stops.
        match connection.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
        if head.first() == Some(&0x16) && head.len() > 5 {
            break;
        }
    }
    let _ = tell.send(String::from_utf8_lossy(&head).into_owned());
    match then {
        Then::Close(bytes) => {
            let _ = connection.write_all(bytes).await;
        }
        Then::Reset(bytes) => {
            let _ = connection.write_all(bytes).await;
            // With unread or unsent data pending, this closes by a reset.
            let _ = connection.set_zero_linger();
        }
        Then::Hang(bytes) => {
            let _ = connection.write_all(bytes).await;
            let _ = connection.read_to_end(&mut head).await;
        }
        Then::Endless(first, again) => {
            let _ = connection.write_all(first).await;
            while connection.write_all(again).await.is_ok() {}
        }
    }
}

fn chain(world: ContextBuilder, endpoint: &str, more: &[(&str, &str)]) -> DefaultCredentialChain {
    let mut env = vec![
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "an-id"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "fake-secret"),
        ("ALIBABA_CLOUD_STS_ENDPOINT", endpoint),
    ];
    env.extend(more);
    let role = AssumeRole::new("acs:ram::100:role/media");
    DefaultCredentialChain::builder().context(world.env(env).build()).assume_role(role).build()
}

async fn error_of(then: Then) -> Error {
    let (address, _heads) = serve(then).await;
    chain(Context::builder(), &format!("http://{address}"), &[]).credentials().await.unwrap_err()
}

#[tokio::test]
async fn a_server_that_breaks_off_or_talks_nonsense_is_a_typed_error() {
    let broken: [(&str, Then); 8] = [
        ("closes before headers", Then::Close(b"")),
        ("closes within headers", Then::Close(b"HTTP/1.1 200 OK\r\nContent-")),
        ("closes within the body", Then::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\"")),
        ("closes within a chunk", Then::Close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{")),
        ("resets before headers", Then::Reset(b"")),
        ("resets within the body", Then::Reset(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\"")),
        ("is no HTTP", Then::Close(b"SSH-2.0-OpenSSH_9.2\r\n")),
        ("sends headers for ever", Then::Endless(b"HTTP/1.1 200 OK\r\n", b"x-padding: 0123456789abcdef\r\n")),
    ];
    for (what, then) in broken {
        let error = error_of(then).await;
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unreachable, Some("ConnectionBroken")), "{what}: {error}");
        assert!(error.message().contains("127.0.0.1") && error.remedy().is_some(), "{what}: {error}");
        assert!(!error.to_string().contains("RoleArn"), "{what}: the URL is in it: {error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_typed_error_that_repeats_nothing_of_it() {
    let answers: [(&str, Then, Option<u16>); 7] = [
        (
            "endless",
            Then::Endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"8\r\nleak-me!\r\n"),
            None,
        ),
        ("announced too long", Then::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nleak-me!"), None),
        ("empty", Then::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Some(200)),
        ("HTML", Then::Close(b"HTTP/1.1 502 Bad\r\nContent-Type: text/html\r\n\r\n<p>leak-me!"), Some(502)),
        ("a list", Then::Close(b"HTTP/1.1 200 OK\r\n\r\n[\"leak-me!\"]"), Some(200)),
        ("not UTF-8", Then::Close(b"HTTP/1.1 200 OK\r\n\r\n\xff\xfeleak-me!"), Some(200)),
        ("a redirect", Then::Close(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/leak-me!\r\n\r\n"), Some(302)),
    ];
    for (what, then, status) in answers {
        let error = error_of(then).await;
        assert_eq!((error.kind(), error.http_status()), (ErrorKind::InvalidResponse, status), "{what}: {error}");
        assert!(!format!("{error:#} {error:?}").contains("leak-me"), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_after_ten_seconds() {
    for bytes in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"] {
        let (address, mut heads) = serve(Then::Hang(bytes)).await;
        let clock = TestClock::new(std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let chain = chain(Context::builder().clock(clock.clone()), &format!("http://{address}"), &[]);
        let call = tokio::spawn(async move { chain.credentials().await });
        heads.recv().await.unwrap();
        clock.advance(Duration::from_secs(10));
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unreachable, Some("Timeout")), "{error}");
    }
}

#[tokio::test]
async fn nobody_listening_is_a_connection_that_could_not_be_made() {
    let (address, _) = serve(Then::Close(b"")).await;
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_ne!(address, unused);
    let chain = chain(Context::builder(), &format!("http://{unused}"), &[]);
    let error = chain.credentials().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unreachable, Some("ConnectFailed")), "{error}");
}

#[tokio::test]
async fn tls_with_a_server_that_speaks_none_is_a_tls_error() {
    let (address, _heads) = serve(Then::Close(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    let chain = chain(Context::builder(), &format!("localhost:{}", address.port()), &[]);
    let error = chain.credentials().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unreachable, Some("TlsFailed")), "{error}");
}

#[tokio::test]
async fn a_store_without_certificates_is_named() {
    let directory = std::env::temp_dir().join(format!("empty-store-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("empty.pem");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap().to_owned();
    let chain = chain(Context::builder(), "sts.example.invalid", &[("SSL_CERT_FILE", &file)]);
    let error = chain.credentials().await.unwrap_err();
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(error.code(), Some("TlsFailed"));
    assert!(error.message().contains("SSL_CERT_FILE"), "{error}");
}

#[tokio::test]
async fn the_contexts_proxy_is_used_its_exceptions_are_kept_and_its_password_is_not_shown() {
    let (address, mut heads) = serve(Then::Close(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")).await;
    let proxy = format!("http://user:fake-proxy-pass@{address}");
    let with = |more: &[(&str, &str)]| chain(Context::builder(), "sts.example.invalid", more);

    let error = with(&[("HTTPS_PROXY", &proxy)]).credentials().await.unwrap_err();
    assert!(heads.recv().await.unwrap().starts_with("CONNECT sts.example.invalid:443 "));
    assert!(!format!("{error:#} {error:?}").contains("fake-proxy-pass"), "{error}");

    let error = with(&[("HTTPS_PROXY", &proxy), ("NO_PROXY", "example.invalid")]).credentials().await.unwrap_err();
    assert_eq!(error.code(), Some("ConnectFailed"), "a name that does not resolve, and no proxy: {error}");
    assert!(heads.try_recv().is_err());

    let error = with(&[("HTTPS_PROXY", "://fake-proxy-pass")]).credentials().await.unwrap_err();
    assert!(error.message().contains("HTTPS_PROXY") && !error.to_string().contains("fake-proxy-pass"), "{error}");
}

#[tokio::test]
async fn loopback_is_never_proxied() {
    let (proxy, mut proxied) = serve(Then::Close(b"")).await;
    let (server, mut heads) = serve(Then::Close(b"HTTP/1.1 200 OK\r\n\r\n{}")).await;
    let proxy = format!("http://{proxy}");
    let chain =
        chain(Context::builder(), &format!("http://{server}"), &[("http_proxy", &proxy), ("ALL_PROXY", &proxy)]);
    assert_eq!(chain.credentials().await.unwrap_err().kind(), ErrorKind::InvalidResponse);
    assert!(heads.recv().await.unwrap().starts_with("POST /?"));
    assert!(proxied.try_recv().is_err());
}

#[tokio::test]
async fn the_token_travels_in_a_header_and_never_in_the_url() {
    let (address, mut heads) = serve(Then::Close(b"HTTP/1.1 200 OK\r\n\r\n{}")).await;
    let token = ("ALIBABA_CLOUD_SECURITY_TOKEN", "fake-token-0123456789");
    let chain = chain(Context::builder(), &format!("http://{address}"), &[token]);
    assert!(chain.credentials().await.is_err());
    let head = heads.recv().await.unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap();
    assert!(!line.contains("fake-token") && !line.contains("Signature"), "{line}");
    for expected in [
        "x-acs-security-token: fake-token-0123456789",
        "authorization: ACS3-HMAC-SHA256 Credential=an-id,",
        "x-acs-action: AssumeRole",
        "content-length: 0",
        "accept: application/json",
        "user-agent: AlibabaCloud",
    ] {
        assert!(headers.contains(expected), "{expected} is missing in {headers}");
    }
}
