//! `serve`, and `exec --serve`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::support::{Cloud, Folder, IMM_ROLE, alicred, run};

/// A running server.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(cloud: &Cloud, more: &[&str]) -> Self {
        let mut command = cloud.alicred(&[&["serve", "--role", IMM_ROLE], more].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { child, url: line.trim_end().to_owned() }
    }

    fn host(&self) -> &str {
        self.url.strip_prefix("http://").unwrap().split('/').next().unwrap()
    }

    fn path(&self) -> &str {
        &self.url["http://".len() + self.host().len()..]
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.host()).unwrap()
    }

    /// Status and body of the response to a request.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let mut stream = self.connect();
        let given = |name: &str| headers.iter().any(|(other, _)| *other == name);
        let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !given("host") {
            request.push_str(&format!("host: {}\r\n", self.host()));
        }
        headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
        stream.write_all(format!("{request}\r\n").as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
        (head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), body.to_owned())
    }

    /// Ends it, and returns its audit lines.
    fn end(mut self) -> String {
        self.child.kill().unwrap();
        let mut audit = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut audit).unwrap();
        audit
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn whoever_knows_the_url_gets_the_session_and_every_answer_is_a_line_of_the_audit() {
    let cloud = Cloud::new();
    let server = Server::start(&cloud, &[]);
    assert_eq!(server.path().len(), 1 + 64, "256 bits");
    let path = server.path().to_owned();
    let (status, body) = server.ask("GET", &path, &[]);
    let session: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &session["Code"]), (200, &"Success".into()));
    let (id, secret) = (session["AccessKeyId"].as_str().unwrap(), session["AccessKeySecret"].as_str().unwrap());
    assert!(id.starts_with("STS."));
    let localhost = server.host().replace("127.0.0.1", "localhost");
    assert_eq!(server.ask("GET", &path, &[("host", &localhost)]).0, 200);

    // Another program of the chain takes it.
    let ran = run(alicred(&["which"]).env("ALIBABA_CLOUD_CREDENTIALS_URI", &server.url)).clean();
    assert!(ran.out.starts_with("default/credentials_uri STS."), "{}", ran.out);

    let audit = server.end();
    assert_eq!(audit.lines().filter(|line| line.contains(" 200 credentials to 127.0.0.1:")).count(), 3, "{audit}");
    assert!(!audit.contains(secret) && !audit.contains(&path), "{audit}");
}

#[test]
fn what_was_not_meant_for_it_is_refused() {
    let cloud = Cloud::new();
    let server = Server::start(&cloud, &[]);
    let path = server.path().to_owned();
    let mut near = path.clone();
    near.replace_range(64.., if path.ends_with('0') { "1" } else { "0" });
    let port = server.host().split(':').nth(1).unwrap().to_owned();
    let rebound = format!("rebound.example:{port}");
    for (method, path, headers, expected) in [
        ("GET", near.as_str(), &[][..], 404),
        ("GET", "/", &[], 404),
        ("GET", "/latest/api/token", &[], 404),
        ("POST", &path, &[], 405),
        // A name that an attacker's DNS made to lead here.
        ("GET", &path, &[("host", rebound.as_str())], 421),
        ("GET", &path, &[("host", "127.0.0.1:1")], 421),
        ("GET", &path, &[("host", "")], 421),
        // As the official Python client calls it.
        ("GET", &path, &[("host", "127.0.0.1")], 200),
        // A web page's request, or one that was redirected here.
        ("GET", &path, &[("origin", "https://evil.example")], 403),
        ("GET", &path, &[("referer", "https://evil.example/")], 403),
        ("GET", &path, &[("sec-fetch-site", "cross-site")], 403),
        ("GET", &path, &[("x-forwarded-for", "192.0.2.1")], 403),
    ] {
        let (status, body) = server.ask(method, path, headers);
        assert_eq!(status, expected, "{method} {headers:?}");
        assert_eq!(body.contains("AccessKeySecret"), expected == 200);
    }
    // Two hosts, and none.
    let host = server.host().to_owned();
    assert_eq!(server.ask("GET", &path, &[("host", &host), ("host", &rebound)]).0, 421);
    let mut stream = server.connect();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.contains(" 421 "), "{response}");
}

#[test]
fn requests_without_measure_are_cut_off() {
    let cloud = Cloud::new();
    let server = Server::start(&cloud, &[]);
    let path = server.path().to_owned();
    let long = "x".repeat(64 * 1024);
    let (status, _) = server.ask("GET", &path, &[("x-long", &long)]);
    assert_ne!(status, 200);
    let many: Vec<(String, String)> = (0..100).map(|n| (format!("x-{n}"), "y".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_ne!(server.ask("GET", &path, &many).0, 200);
    assert_eq!(server.ask("GET", &path, &[]).0, 200);
}

#[cfg(unix)]
#[test]
fn idle_connections_are_bounded_and_end_by_themselves() {
    let cloud = Cloud::new();
    let server = Server::start(&cloud, &[]);
    let path = server.path().to_owned();
    // Half a header, and no more. Each closes the oldest of those that are open.
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let mut idle: Vec<TcpStream> = Vec::new();
    // Other tests need descriptors too.
    for _ in 0..10_000.min(most / 2) {
        let mut stream = server.connect();
        let _ = write!(stream, "GET {path} HTTP/1.1\r\nhost:");
        idle.push(stream);
    }
    assert_eq!(server.ask("GET", &path, &[]).0, 200, "while they are open");
    // The last ones are closed when their time for the headers is over: read to the end of each.
    for stream in &mut idle {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!String::from_utf8_lossy(&rest).contains("AccessKeySecret"));
    }
    assert_eq!(server.ask("GET", &path, &[]).0, 200);
}

#[test]
fn the_metadata_face_wants_a_token_first() {
    let cloud = Cloud::new();
    let server = Server::start(&cloud, &["--metadata", "--region", "cn-hangzhou"]);
    let ttl = ("x-aliyun-ecs-metadata-token-ttl-seconds", "60");
    let roles = "/latest/meta-data/ram/security-credentials/";
    assert_eq!(server.ask("GET", roles, &[]).0, 403);
    assert_eq!(server.ask("PUT", "/latest/api/token", &[]).0, 400);
    assert_eq!(server.ask("GET", "/latest/api/token", &[ttl]).0, 405);
    let (status, token) = server.ask("PUT", "/latest/api/token", &[ttl]);
    assert_eq!((status, token.len()), (200, 64));
    let header = ("X-aliyun-ecs-metadata-token", token.as_str());
    let (_, role) = server.ask("GET", roles, &[header]);
    let (status, body) = server.ask("GET", &format!("{roles}{role}"), &[header]);
    let session: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &session["Code"]), (200, &"Success".into()));
    assert!(session["AccessKeyId"].as_str().unwrap().starts_with("STS."));
    assert_eq!(server.ask("GET", "/latest/meta-data/region-id", &[header]), (200, "cn-hangzhou".to_owned()));
    assert_eq!(server.ask("GET", &format!("{roles}another"), &[header]).0, 404);
    assert_eq!(server.ask("GET", roles, &[("X-aliyun-ecs-metadata-token", "another")]).0, 403);
    assert_eq!(server.ask("GET", roles, &[header, ("x-forwarded-for", "192.0.2.1")]).0, 403);
}

#[test]
fn a_long_lived_key_is_not_served_and_no_other_machine_is() {
    let cloud = Cloud::new();
    let ran = run(&mut cloud.alicred(&["serve"])).without_secrets();
    assert_eq!((ran.code, ran.out.as_str()), (78, ""), "{ran:?}");
    let ran = run(&mut cloud.alicred(&["serve", "--role", IMM_ROLE, "--listen", "0.0.0.0:0"]));
    assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn it_ends_with_the_program_that_started_it() {
    let cloud = Cloud::new();
    let script = format!("\"$0\" serve --role {IMM_ROLE} 2>/dev/null & read line");
    let mut command = std::process::Command::new("sh");
    crate::support::bare(&mut command).args(["-c", &script, crate::support::PROGRAM]).envs(cloud.key());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut url = String::new();
    out.read_line(&mut url).unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    // The shell ends, and the server is the last one that holds this pipe: it closes when the server is gone.
    drop(child.stdin.take());
    child.wait().unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[cfg(unix)]
#[test]
fn on_a_terminal_the_url_is_refused_unless_asked_for() {
    let cloud = Cloud::new();
    let (out, code) = crate::support::terminal::run(cloud.alicred(&["serve", "--role", IMM_ROLE]), 80);
    assert_eq!(code, Some(64));
    assert!(out.contains("--show-secrets") && !out.contains("127.0.0.1"), "{out}");
}

#[test]
fn a_command_is_served_for_longer_than_a_session_lasts() {
    let cloud = Cloud::with(|emulator| emulator.session_seconds(3));
    let folder = Folder::new("exec-serve");
    // A user's own file must not come before the session.
    folder.file(".aliyun/config.json", r#"{"current": "x", "profiles": [{"name": "x", "mode": "AK", "access_key_id": "LTAI5tExampleKeyId02", "access_key_secret": "s"}]}"#);
    // Until three different sessions were seen: no time is measured.
    let script = r#"
        seen=""; count=0
        while [ $count -lt 3 ]; do
            id=$(alicred_program export --json | sed -n 's/.*"access_key_id": "\(.*\)".*/\1/p')
            [ -n "$id" ] || exit 1
            case "$seen" in *"$id"*) ;; *) seen="$seen $id"; count=$((count+1)) ;; esac
        done
        env | grep -c '^ALIBABA_CLOUD_ACCESS_KEY\|^ALIBABA_CLOUD_ROLE'
        exit 23"#;
    let script = script.replace("alicred_program", crate::support::PROGRAM);
    let mut command = cloud.alicred(&["exec", "--serve", "--role", IMM_ROLE, "--", "sh", "-c", &script]);
    let ran = run(command.env("HOME", &folder.0)).without_secrets();
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (23, "0\n", ""));
}

#[cfg(unix)]
#[test]
fn a_served_command_is_stopped_continued_and_killed_like_any_other() {
    use rustix::process::{Pid, Signal, kill_process};
    let cloud = Cloud::new();
    let mut command = cloud.alicred(&["exec", "--serve", "--role", IMM_ROLE, "--", "sh", "-c"]);
    command.arg("echo $$; while read line; do echo got $line; done");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut lines) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
    let pid: i32 = lines.next().unwrap().unwrap().parse().unwrap();
    let pid = Pid::from_raw(pid).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    writeln!(input, "something").unwrap();
    kill_process(pid, Signal::CONT).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "got something");
    kill_process(pid, Signal::KILL).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 9));
}
