//! Connections: who opens them, how long they are kept, what happens when a kept one is dead, and by which proxy they go.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

use alibabacloud_credentials::{Context, Credentials, Error, ErrorKind, OpenApiClient, Refresher};

/// A server with threads of its own, so that it answers whatever the client's runtimes do.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// The heads of the requests, in order.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `answer` is given the numbers of the connection and of the request on it, both from 0. `None` closes the connection.
    fn start(answer: impl Fn(usize, usize) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::behind(|_| {}, answer)
    }

    /// The same behind a greeting, as a SOCKS proxy has it.
    fn behind(
        greet: impl Fn(&mut TcpStream) + Send + Sync + 'static,
        answer: impl Fn(usize, usize) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server =
            Self { address: listener.local_addr().unwrap(), connections: Arc::default(), heads: Arc::default() };
        let (connections, heads) = (Arc::clone(&server.connections), Arc::clone(&server.heads));
        let (greet, answer) = (Arc::new(greet), Arc::new(answer));
        thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let number = connections.fetch_add(1, Ordering::SeqCst);
                let (heads, greet, answer) = (Arc::clone(&heads), Arc::clone(&greet), Arc::clone(&answer));
                thread::spawn(move || {
                    greet(&mut connection);
                    let mut reader = BufReader::new(connection.try_clone().unwrap());
                    for request in 0.. {
                        let mut head = String::new();
                        while !head.ends_with("\r\n\r\n") {
                            match reader.read_line(&mut head) {
                                Ok(0) | Err(_) => return,
                                Ok(_) => {}
                            }
                        }
                        heads.lock().unwrap().push(head);
                        let Some(text) = answer(number, request) else { return };
                        connection.write_all(text.as_bytes()).unwrap();
                    }
                });
            }
        });
        server
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// A header of all requests.
    fn header(&self, name: &str) -> Vec<String> {
        let prefix = format!("{name}: ");
        let heads = self.heads.lock().unwrap();
        heads.iter().map(|head| head.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap().to_owned()).collect()
    }
}

fn ok(headers: &str) -> Option<String> {
    Some(format!("HTTP/1.1 200 OK\r\n{headers}content-length: 17\r\n\r\n{{\"RequestId\":\"r\"}}"))
}

fn key() -> Credentials {
    Credentials::new("an-id", "fake-secret")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn create(runtime: &tokio::runtime::Runtime, client: &OpenApiClient) -> Result<(), Error> {
    runtime.block_on(client.call("CreateProject", [("ProjectName", "p")])).map(drop)
}

/// Greets as a SOCKS proxy does. Returns the request to connect.
fn as_socks(connection: &mut TcpStream) -> Vec<u8> {
    let mut read = |length: usize| {
        let mut bytes = vec![0; length];
        connection.read_exact(&mut bytes).unwrap();
        bytes
    };
    let methods = read(2)[1];
    read(usize::from(methods));
    connection.write_all(&[5, 0]).unwrap();
    let mut head = [0; 5];
    connection.read_exact(&mut head).unwrap();
    let mut rest = vec![0; usize::from(head[4]) + 2];
    connection.read_exact(&mut rest).unwrap();
    connection.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 80]).unwrap();
    [&head[..], &rest].concat()
}

// ---- kept connections

#[test]
fn a_client_keeps_one_connection_for_each_runtime_however_many_there_are() {
    const RUNTIMES: usize = 16;
    let server = Server::start(|_, _| ok(""));
    let client = OpenApiClient::new(server.url(), "2020-09-30", key());
    let barrier = Arc::new(Barrier::new(RUNTIMES));
    let workers: Vec<_> = (0..RUNTIMES)
        .map(|_| {
            let (client, barrier) = (client.clone(), Arc::clone(&barrier));
            thread::spawn(move || {
                let runtime = runtime();
                for _ in 0..20 {
                    barrier.wait();
                    create(&runtime, &client).unwrap();
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    assert_eq!((server.heads.lock().unwrap().len(), server.connections()), (RUNTIMES * 20, RUNTIMES));
}

#[test]
fn a_kept_connection_that_is_dead_is_replaced_at_once_and_the_nonce_stays() {
    // Each connection answers one request, takes a second one, and closes without a word.
    let server = Server::start(|_, request| if request == 0 { ok("") } else { None });
    let (client, runtime) = (OpenApiClient::new(server.url(), "2020-09-30", key()), runtime());
    for _ in 0..4 {
        create(&runtime, &client).unwrap();
    }
    assert_eq!(server.connections(), 4);
    let nonces = server.header("x-acs-signature-nonce");
    assert_eq!(nonces.len(), 7, "three were sent twice");
    for twice in nonces[1..].chunks(2) {
        assert_eq!(twice[0], twice[1], "the server would know the second copy");
    }
}

/// The handshake with a SOCKS proxy makes connections that are made as late as a test wants.
#[test]
fn a_kept_connection_that_became_free_while_another_one_was_made_is_replaced_too() {
    let ((tell_begun, begun), (_keep_waiting, for_ever)) = (mpsc::channel(), mpsc::channel::<()>());
    let ((tell_came, came), (let_answer, may_answer)) = (mpsc::channel(), mpsc::channel());
    let (connections, for_ever, may_answer) = (AtomicUsize::new(0), Mutex::new(for_ever), Mutex::new(may_answer));
    let greet = move |connection: &mut TcpStream| {
        if connections.fetch_add(1, Ordering::SeqCst) == 1 {
            tell_begun.send(()).unwrap();
            let _ = for_ever.lock().unwrap().recv();
            return;
        }
        as_socks(connection);
    };
    let server = Server::behind(greet, move |connection, request| {
        if connection == 0 {
            tell_came.send(()).unwrap();
            may_answer.lock().unwrap().recv().unwrap();
            return if request == 0 { ok("") } else { None };
        }
        ok("")
    });
    let proxy = format!("socks5h://{}", server.address);
    let client = client("http://imm.example.invalid", &[("ALL_PROXY", &proxy)]);
    let call = || {
        let client = client.clone();
        async move { client.call("CreateProject", [("ProjectName", "p")]).await.map(drop) }
    };
    let driven = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let first = driven.spawn(call());
    came.recv().unwrap();
    let second = driven.spawn(call());
    begun.recv().unwrap();
    let_answer.send(()).unwrap();
    driven.block_on(first).unwrap().unwrap();
    // The second call is on the first connection now, which is dead.
    came.recv().unwrap();
    let_answer.send(()).unwrap();
    driven.block_on(second).unwrap().unwrap();
    assert_eq!(server.connections(), 3);
}

#[test]
fn a_new_connection_that_ends_without_an_answer_is_not_replaced() {
    let server = Server::start(|_, _| None);
    let (client, runtime) = (OpenApiClient::new(server.url(), "2020-09-30", key()), runtime());
    let error = create(&runtime, &client).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unreachable, Some("ConnectionBroken")));
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_connection_is_kept_no_longer_than_the_server_says() {
    for (says, connections) in [("keep-alive: timeout=25\r\n", 1), ("", 1), ("keep-alive: timeout=1\r\n", 4)] {
        let server = Server::start(move |_, _| ok(says));
        let (client, runtime) = (OpenApiClient::new(server.url(), "2020-09-30", key()), runtime());
        for _ in 0..4 {
            create(&runtime, &client).unwrap();
        }
        assert_eq!(server.connections(), connections, "{says}");
    }
}

#[test]
fn no_more_than_four_idle_connections_are_kept() {
    const AT_ONCE: usize = 10;
    let barrier = Arc::new(Barrier::new(AT_ONCE));
    let server = Server::start(move |connection, request| {
        // The first calls are all in flight before any is answered.
        if request == 0 && connection < AT_ONCE {
            barrier.wait();
        }
        ok("")
    });
    let (client, runtime) = (OpenApiClient::new(server.url(), "2020-09-30", key()), runtime());
    let round = || {
        runtime.block_on(async {
            let calls: Vec<_> = (0..AT_ONCE)
                .map(|_| {
                    let client = client.clone();
                    tokio::spawn(async move { client.call("ListProjects", []).await.map(drop) })
                })
                .collect();
            for call in calls {
                call.await.unwrap().unwrap();
            }
        });
    };
    round();
    assert_eq!(server.connections(), AT_ONCE);
    round();
    assert!(server.connections() >= 2 * AT_ONCE - 4 - 3, "{}", server.connections());
}

#[test]
fn a_bound_on_connections_holds_for_all_clones_and_runtimes() {
    const BOUND: usize = 3;
    let server = Server::start(|_, _| ok(""));
    let client = OpenApiClient::builder(server.url(), "2020-09-30", key()).max_connections(BOUND).build();
    let runtime = runtime();
    runtime.block_on(async {
        let calls: Vec<_> = (0..30)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.call("ListProjects", []).await.map(drop) })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
    });
    assert_eq!(server.heads.lock().unwrap().len(), 30);
    assert!(server.connections() <= BOUND, "{}", server.connections());
}

// ---- proxies

/// A client of a host that is nowhere, in an environment of these variables.
fn client(endpoint: &str, variables: &[(&str, &str)]) -> OpenApiClient {
    let context = Context::builder().env(variables.iter().copied()).build();
    let credentials = Refresher::builder(key()).context(context).build();
    OpenApiClient::builder(endpoint, "2020-09-30", credentials).attempts(1).allow_plain_http().build()
}

fn failure(endpoint: &str, variables: &[(&str, &str)]) -> Error {
    let error = create(&runtime(), &client(endpoint, variables)).unwrap_err();
    assert!(!format!("{error:#} {error:?}").contains("fake-pass"), "{error}");
    error
}

#[test]
fn a_proxys_failure_is_told_as_its_own_with_its_host_and_its_variable() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = format!("http://user:fake-pass@{nobody}");
    for (variable, endpoint) in [("HTTPS_PROXY", "imm.example.invalid"), ("http_proxy", "http://imm.example.invalid")] {
        let error = failure(endpoint, &[(variable, &proxy)]);
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unreachable, Some("ProxyFailed")), "{error}");
        let expected = format!("the proxy {nobody} ({variable}) could not be connected to");
        assert!(error.message().contains(&expected), "{error}");
    }
    for (status, expected) in [
        ("503 Service Unavailable", "refused to connect to it"),
        ("407 Proxy Authentication Required", "asks for a user name and a password"),
    ] {
        let server = Server::start(move |_, _| Some(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")));
        let error = failure("imm.example.invalid", &[("ALL_PROXY", &server.url())]);
        assert_eq!(error.code(), Some("ProxyFailed"));
        assert!(error.message().contains(&format!("the proxy {} (ALL_PROXY) {expected}", server.address)), "{error}");
        assert!(server.heads.lock().unwrap()[0].starts_with("CONNECT imm.example.invalid:443 "));
    }
    let closes = Server::start(|_, _| None);
    let error = failure("http://imm.example.invalid", &[("http_proxy", &closes.url())]);
    assert_eq!(error.code(), Some("ConnectionBroken"));
    assert!(error.message().contains(&format!("by way of the proxy {} (http_proxy)", closes.address)), "{error}");
}

#[test]
fn a_variable_that_holds_no_proxy_is_told_as_what_does_not_pass() {
    for url in ["http://user:fake-pass@ss#w0rd@127.0.0.1:9", "://fake-pass", "http://"] {
        let error = failure("imm.example.invalid", &[("HTTPS_PROXY", url)]);
        assert_eq!((error.kind(), error.code()), (ErrorKind::Failed, Some("HttpClientSetup")), "{error}");
        assert!(error.message().contains("HTTPS_PROXY") && error.message().contains("%40"), "{error}");
        assert!(!error.is_transient());
    }
}

#[test]
fn socks_is_spoken_and_the_name_is_resolved_by_the_proxy_where_the_scheme_says_so() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let greet = move |connection: &mut TcpStream| *seen.lock().unwrap() = as_socks(connection);
    let server = Server::behind(greet, |_, _| ok(""));
    let proxy = format!("socks5h://{}", server.address);
    create(&runtime(), &client("http://imm.example.invalid", &[("ALL_PROXY", &proxy)])).unwrap();
    let asked = asked.lock().unwrap();
    assert_eq!(asked[..4], [5, 1, 0, 3], "connect, to a name");
    assert!(String::from_utf8_lossy(&asked).contains("imm.example.invalid"));
}

#[test]
fn what_no_proxy_names_is_reached_without_one() {
    let server = Server::start(|_, _| None);
    for exception in
        ["*.example.invalid", "imm.example.invalid:443", "a b imm.example.invalid", "a; imm.example.invalid"]
    {
        let error = failure("imm.example.invalid", &[("HTTPS_PROXY", &server.url()), ("NO_PROXY", exception)]);
        assert_eq!(error.code(), Some("ConnectFailed"), "{exception}: a name that does not resolve: {error}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_call_outside_any_runtime_says_so() {
    let error = crate::support::block_on(client("imm.example.invalid", &[]).call("ListProjects", [])).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Failed, Some("HttpClientSetup")));
    assert!(error.message().contains("tokio runtime"), "{error}");
}

#[test]
fn a_runtime_without_drivers_says_so_and_does_not_panic() {
    let server = Server::start(|_, _| ok(""));
    let build = |prepare: fn(&mut tokio::runtime::Builder) -> &mut tokio::runtime::Builder| {
        prepare(&mut tokio::runtime::Builder::new_current_thread()).build().unwrap()
    };
    for runtime in
        [build(|builder| builder), build(|builder| builder.enable_io()), build(|builder| builder.enable_time())]
    {
        let error = create(&runtime, &client(&server.url(), &[])).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Failed, Some("HttpClientSetup")), "{error}");
        assert!(error.message().contains("enable_all") && !error.is_transient(), "{error}");
        // Credentials do not run there, so they need none of it.
        runtime.block_on(Refresher::new(key()).credentials()).unwrap();
    }
    assert_eq!(server.connections(), 0);
}

/// The variables of a process are its own, so the test starts itself again under other ones.
#[cfg(unix)]
#[test]
#[allow(clippy::disallowed_methods)] // the child looks at its own variables
fn variables_that_are_not_utf_8_are_named_where_they_count_and_stop_nothing_else() {
    use std::os::unix::ffi::OsStrExt;
    const CHILD: &str = "CHILD_OF_A_TEST";
    const CASES: [(&str, Option<&str>, &str, &str); 7] = [
        ("NO_PROXY", Some("127.0.0.1:9"), "imm.example.invalid", "HttpClientSetup"),
        ("NO_PROXY", None, "imm.example.invalid", "ConnectFailed"),
        ("HTTPS_PROXY", None, "imm.example.invalid", "HttpClientSetup"),
        ("ALL_PROXY", None, "http://imm.example.invalid", "HttpClientSetup"),
        ("HTTPS_PROXY", None, "http://imm.example.invalid", "ConnectFailed"),
        ("SSL_CERT_FILE", None, "imm.example.invalid", "HttpClientSetup"),
        ("SSL_CERT_DIR", None, "imm.example.invalid", "HttpClientSetup"),
    ];
    if let Some(case) = std::env::var_os(CHILD) {
        let (variable, _, endpoint, code) = CASES[case.to_str().unwrap().parse::<usize>().unwrap()];
        let client = OpenApiClient::builder(endpoint, "2020-09-30", key()).attempts(1).allow_plain_http().build();
        let error = create(&runtime(), &client).unwrap_err();
        assert_eq!(error.code(), Some(code), "{error}");
        assert_eq!(error.message().contains(variable), code != "ConnectFailed", "{error}");
        assert!(!error.to_string().contains("it may pass"), "{error}");
        assert_eq!(error.is_transient(), code == "ConnectFailed", "{error}");
        assert_eq!(error.message().contains("/none/j\u{fffd}rg"), variable.starts_with("SSL"), "{error}");
        return;
    }
    for (at, (variable, proxy, ..)) in CASES.into_iter().enumerate() {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "network::variables_that_are_not_utf_8_are_named_where_they_count_and_stop_nothing_else"])
            .env_clear()
            .envs(proxy.map(|proxy| ("HTTPS_PROXY", proxy)))
            .env(CHILD, at.to_string())
            .env(variable, std::ffi::OsStr::from_bytes(b"/none/j\xf6rg"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&child.stderr)
        );
    }
}
