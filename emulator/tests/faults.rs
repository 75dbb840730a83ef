//! Answers that go wrong on the wire, and the control path that asks for them.

// Tests stop at the first thing that is not as expected.

use std::io::ErrorKind;

use alibabacloud_emulator::{Emulator, Fault};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, Request, emulator, plain, raw};

/// Everything that arrives until the connection ends, and how it ends.
async fn to_the_end(emulator: &Emulator, request: &Request) -> (String, std::io::Result<()>) {
    let mut stream = TcpStream::connect(emulator.http_addr()).await.unwrap();
    stream.write_all(&request.bytes(emulator)).await.unwrap();
    let mut received = Vec::new();
    let mut buffer = [0; 1024];
    let end = loop {
        match stream.read(&mut buffer).await {
            Ok(0) => break Ok(()),
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) => break Err(error),
        }
    };
    (String::from_utf8(received).unwrap(), end)
}

fn declared(answer: &str) -> usize {
    let line = answer.lines().find_map(|line| line.strip_prefix("content-length: "));
    line.unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn a_truncated_body_ends_before_its_declared_length() {
    let emulator = emulator().await;
    emulator.fail_next("sts/GetCallerIdentity", Fault::answered().truncate(20));
    let (answer, end) = to_the_end(&emulator, &Request::sts("GetCallerIdentity")).await;
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(body, &r#"{"AccountId":"1234567890123456""#[..20]);
    assert!(declared(&answer) > 100);
    assert!(end.is_ok());
    // Nothing of the body, and more than there is of it.
    emulator.fail_next("sts/*", Fault::new(503, "ServiceUnavailable").truncate(0));
    let (answer, _) = to_the_end(&emulator, &Request::sts("GetCallerIdentity")).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    emulator.fail_next("sts/*", Fault::answered().truncate(100_000));
    assert_eq!(Request::sts("GetCallerIdentity").send(&emulator).await.json()["IdentityType"], "RAMUser");
}

#[tokio::test]
async fn a_reset_connection_breaks_off_in_the_midst_of_the_answer() {
    let emulator = emulator().await;
    emulator.fail_next("imm/CreateProject", Fault::answered().reset());
    let create = || Request::imm("CreateProject").with("ProjectName", "p");
    let (answer, end) = to_the_end(&emulator, &create()).await;
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(body.len(), declared(&answer) / 2);
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    // The call took effect; only its answer was lost.
    assert_eq!(create().code(&emulator).await, "ResourceAlreadyExists");
    emulator.fail_next("imm/*", Fault::new(500, "InternalError").reset().truncate(0));
    let (answer, end) = to_the_end(&emulator, &create()).await;
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_body_is_replaced_with_its_own_length() {
    let emulator = emulator().await;
    emulator.fail_next("sts/*", Fault::answered().body("<html>").times(2));
    let answer = Request::sts("GetCallerIdentity").send(&emulator).await;
    assert_eq!((answer.status, answer.body.as_str(), answer.header("content-length")), (200, "<html>", "6"));
    let mut request = Request::sts("GetCallerIdentity");
    request.method = "GET".into();
    assert_eq!(request.send(&emulator).await.body, "<html>");
}

#[tokio::test]
async fn the_headers_of_a_fault_are_put_onto_the_true_answer() {
    let emulator = emulator().await;
    let long_ago = "Thu, 01 Jan 1970 00:00:00 GMT";
    let fault = Fault::answered()
        .header("age", "100")
        .header("Date", long_ago)
        .header("content-length", "3")
        .header("transfer-encoding", "chunked")
        .header("no name", "x");
    emulator.fail_next("sts/*", fault.clone());
    let answer = Request::sts("GetCallerIdentity").send(&emulator).await;
    assert_eq!((answer.status, answer.json()["IdentityType"].as_str()), (200, Some("RAMUser")));
    let values = |name: &str| -> Vec<String> {
        answer.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone()).collect()
    };
    assert_eq!((values("age"), values("date")), (vec!["100".to_owned()], vec![long_ago.to_owned()]));
    assert_eq!(values("content-length"), [answer.body.len().to_string()]);
    assert!(values("transfer-encoding").is_empty() && values("no name").is_empty());
    // A true refusal gets them as well, and so does an answer that is spoiled in another way too.
    emulator.fail_next("sts/*", fault.clone());
    let refused = Request::sts("GetCallerIdentity").tamper("authorization", None).send(&emulator).await;
    assert_eq!((refused.code().as_str(), refused.header("age")), ("MissingAccessKeyId", "100"));
    emulator.fail_next("sts/*", fault.body("<html>"));
    let replaced = Request::sts("GetCallerIdentity").send(&emulator).await;
    assert_eq!((replaced.body.as_str(), replaced.header("age")), ("<html>", "100"));

    let list = r#"[{"route":"metadata/*","headers":{"age":"100","date":"Thu, 01 Jan 1970 00:00:00 GMT"}}]"#;
    assert_eq!(control(&emulator, "POST", list).await.json()["pending"], 1);
    let answer = plain(&emulator, "GET", "/latest/meta-data/ram/security-credentials/", &[]).await;
    assert_eq!((answer.body.as_str(), answer.header("age"), answer.header("date")), ("imm-role", "100", long_ago));
}

#[tokio::test]
async fn the_operation_of_a_fault_may_stand_in_the_form() {
    let emulator = emulator().await;
    emulator.fail_next("sts/AssumeRole", Fault::new(503, "ServiceUnavailable"));
    let body = "Action=AssumeRole&Version=2015-04-01";
    let wire = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(raw(&emulator, wire.as_bytes()).await.code(), "ServiceUnavailable");
    assert_eq!(raw(&emulator, wire.as_bytes()).await.code(), "MissingAccessKeyId");
}

async fn control(emulator: &Emulator, method: &str, body: &str) -> Answer {
    let length = body.len();
    let wire = format!("{method} /_emulator/faults HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}");
    raw(emulator, wire.as_bytes()).await
}

#[tokio::test]
async fn a_running_emulator_is_told_of_faults() {
    let emulator = emulator().await;
    let pending = |answer: Answer| match answer.status {
        200 => answer.json()["pending"].clone(),
        _ => Value::String(answer.json()["error"].as_str().unwrap().to_owned()),
    };
    let list = r#"[{"route":"sts/GetCallerIdentity","times":2,"status":429,"delay_ms":0,"reset":false,"truncate":null,"body":null},
        {"route":"imm/*","times":1,"truncate":3}]"#;
    assert_eq!(pending(control(&emulator, "POST", list).await), 3);
    let answer = Request::sts("GetCallerIdentity").send(&emulator).await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "Throttling.User"));
    assert_eq!(pending(control(&emulator, "POST", "[]").await), 2);
    // One entry that makes no sense, and none is taken.
    let answer = control(&emulator, "POST", r#"[{"route":"sts/*","status":500},{"route":"sts/*"}]"#).await;
    assert_eq!(answer.status, 400);
    assert!(pending(answer).as_str().unwrap().contains("nothing goes wrong"));
    assert_eq!(pending(control(&emulator, "DELETE", "").await), 0);
    assert_eq!(control(&emulator, "GET", "").await.status, 405);
    assert_eq!(Request::sts("GetCallerIdentity").send(&emulator).await.status, 200);

    emulator.add_faults(r#"[{"route":"sts/*","status":500}]"#).unwrap();
    emulator.clear_faults();
    assert_eq!(Request::sts("GetCallerIdentity").send(&emulator).await.status, 200);
    assert_eq!(emulator.add_faults("{}").unwrap_err().kind(), ErrorKind::InvalidInput);
}
