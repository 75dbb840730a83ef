//! Presets of `--policy`, and what their sessions may do.

use std::io::{Read as _, Write as _};

use alibabacloud_credentials::{AssumeRole, Context, DefaultCredentialChain, RequestSigner};
use alibabacloud_emulator::account::BUCKET;

use crate::support::{Cloud, IMM_ROLE, run};

/// The policy as `--dry-run` shows it.
fn policy(cloud: &Cloud, preset: &str) -> String {
    let arguments = ["exec", "--dry-run", "--json", "--role", IMM_ROLE, "--policy", preset, "--", "true"];
    run(&mut cloud.alicred(&arguments)).clean().json()["policy"].to_string()
}

#[test]
fn a_dry_run_shows_what_would_be_asked_and_asks_nothing() {
    let cloud = Cloud::new();
    let arguments = [
        "exec",
        "--dry-run",
        "--role",
        IMM_ROLE,
        "--role",
        "acs:ram::1:role/b",
        "--session-name",
        "job-7",
        "--duration",
        "15m",
        "--external-id",
        "half-a-secret",
        "--policy",
        "imm-project:media",
        "--",
        "echo",
        "ran",
    ];
    let ran = run(&mut cloud.alicred(&arguments)).clean();
    let expected = format!(
        "roles            {IMM_ROLE}, then acs:ram::1:role/b\nsession_name     job-7\nexternal_id      ***\n\
         duration_seconds 900\npolicy           {}\ncommand          echo ran\n",
        policy(&cloud, "imm-project:media"),
    );
    assert_eq!(ran.out, expected);
    assert!(cloud.emulator.calls().is_empty());
}

#[test]
fn a_session_for_one_imm_project_can_do_everything_with_it_and_nothing_with_another() {
    let cloud = Cloud::new();
    let call = |action: &str, project: &str| {
        let project = format!("ProjectName={project}");
        let arguments = ["exec", "--role", IMM_ROLE, "--policy", "imm-project:media", "--", "alicred", "call", "imm"];
        run(&mut cloud.alicred(&[&arguments[..], &[action, &project]].concat())).without_secrets()
    };
    assert_eq!(call("CreateProject", "media").code, 0);
    assert_eq!(call("GetProject", "media").code, 0);
    let other = call("CreateProject", "media2");
    assert_eq!(other.code, 77, "{other:?}");
}

#[test]
fn a_session_for_one_prefix_of_a_bucket_lists_and_reads_it_alone() {
    let cloud = Cloud::new();
    let policy = policy(&cloud, &format!("oss-read:{BUCKET}/in/"));
    let chain = DefaultCredentialChain::builder().context(Context::builder().env(cloud.key()).build()).build();
    let whole = RequestSigner::oss4("cn-hangzhou", chain.assume(AssumeRole::new(IMM_ROLE)));
    let limited = RequestSigner::oss4("cn-hangzhou", chain.assume(AssumeRole::new(IMM_ROLE).policy(policy)));
    for key in ["in/a", "out/a"] {
        assert_eq!(oss(&cloud, &whole, "PUT", key), 200);
    }
    for (method, path, expected) in [
        ("GET", "in/a", 200),
        ("GET", "?list-type=2&prefix=in%2F", 200),
        ("GET", "?list-type=2&prefix=in%2F2026", 200),
        ("GET", "?list-type=2&prefix=out%2F", 403),
        ("GET", "?list-type=2", 403),
        ("GET", "out/a", 403),
        ("PUT", "in/a", 403),
        ("DELETE", "in/a", 403),
    ] {
        assert_eq!(oss(&cloud, &limited, method, path), expected, "{method} {path}");
    }
}

/// Sends a signed request without a body, and returns the status.
fn oss(cloud: &Cloud, signer: &RequestSigner, method: &str, path: &str) -> u16 {
    let url = format!("{}/{BUCKET}/{path}", cloud.emulator.endpoint());
    let request = http::Request::builder().method(method).uri(&url).body(()).unwrap();
    let mut prepared = signer.prepare(request.into_parts().0, Some(b"")).unwrap();
    let signed = cloud.block_on(prepared.sign()).unwrap().with_body(bytes::Bytes::new());
    let mut stream = std::net::TcpStream::connect(cloud.emulator.http_addr()).unwrap();
    let target = signed.uri().path_and_query().unwrap();
    let mut text =
        format!("{method} {target} HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\n", cloud.emulator.http_addr());
    for (name, value) in signed.headers().iter().filter(|(name, _)| *name != "host") {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    write!(stream, "{text}connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}
