//! The emulator as a server: tolerances, envelopes, clock, faults, log, and input that no client should send.

use std::time::{Duration, UNIX_EPOCH};

use alibabacloud_emulator::{Emulator, Fault};
use tokio::net::TcpStream;

use crate::support::{NOW, Request, emulator, exchange, raw};

#[tokio::test]
async fn what_official_clients_write_is_understood() {
    let emulator = emulator().await;
    // Python writes `+` for a space, Node leaves marks raw; both sign the canonical form.
    for (name, wire) in
        [("py", "Description=a+%2A%27%28%29%21&ProjectName=py"), ("js", "Description=a%20*'()!&ProjectName=js")]
    {
        let mut request = Request::imm("CreateProject").with("ProjectName", name).with("Description", "a *'()!");
        request.wire_query = Some(wire.into());
        let answer = request.send(&emulator).await;
        assert_eq!(answer.json()["Project"]["Description"], "a *'()!", "{}", answer.body);
    }
    // Names that need encoding, signed raw and encoded.
    for raw_names in [true, false] {
        let mut request = Request::sts("GetCallerIdentity").with("#3#foo", "x").with("a b", "y").with("键", "z");
        request.raw_names = raw_names;
        assert_eq!(request.send(&emulator).await.status, 200, "{raw_names}");
    }
    // Any other signed header, GET, the Host that a client talked into plain HTTP sends, headers outside the list.
    let mut request = Request::sts("GetCallerIdentity")
        .header("user-agent", "AlibabaCloud (Linux; x86_64) Python/3.11.7")
        .header("x-acs-credentials-provider", "static_ak")
        .header("x-acs-retry-attempts", "1")
        .header("host", "http://127.0.0.1:1")
        .tamper("x-sdk-invoke-type", Some("normal"));
    request.method = "GET".into();
    assert_eq!(request.send(&emulator).await.status, 200);
    // Spaces after the commas of the Authorization header.
    let mut wire = String::from_utf8(Request::sts("GetCallerIdentity").bytes(&emulator)).unwrap();
    wire = wire.replace(",SignedHeaders", ", SignedHeaders").replace(",Signature", ", Signature");
    assert_eq!(raw(&emulator, wire.as_bytes()).await.status, 200);
    // A target in absolute form, as sent through a proxy.
    let wire = String::from_utf8(Request::sts("GetCallerIdentity").bytes(&emulator)).unwrap();
    let wire = wire.replacen("POST /", "POST http://sts.aliyuncs.com/", 1);
    assert_eq!(raw(&emulator, wire.as_bytes()).await.status, 200);
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let emulator = emulator().await;
    let mut stream = TcpStream::connect(emulator.http_addr()).await.unwrap();
    for _ in 0..5 {
        let answer = exchange(&mut stream, &Request::sts("GetCallerIdentity").bytes(&emulator)).await;
        assert_eq!(answer.status, 200);
    }
    let closing = Request::sts("GetCallerIdentity").tamper("connection", Some("close")).send(&emulator).await;
    assert_eq!((closing.header("connection"), closing.header("keep-alive")), ("close", ""));
}

#[tokio::test]
async fn errors_have_one_envelope_in_json_or_xml() {
    let emulator = emulator().await;
    let request = Request::imm("Nothing").header("host", "imm.cn-hangzhou.aliyuncs.com");
    let answer = request.send(&emulator).await;
    let id = answer.header("x-acs-request-id").to_owned();
    assert_eq!(
        answer.body,
        format!(
            r#"{{"RequestId":"{id}","HostId":"imm.cn-hangzhou.aliyuncs.com","Code":"InvalidAction.NotFound","Message":"Specified api is not found, please check your url and method.","Recommend":"https://api.aliyun.com/troubleshoot?q=InvalidAction.NotFound&product=imm&requestId={id}"}}"#
        )
    );
    assert_eq!(answer.header("content-type"), "application/json;charset=utf-8");
    assert_eq!(answer.header("date"), "Fri, 02 Jan 2026 03:04:05 GMT");

    for request in [request.clone().with("Format", "XML"), request.clone().header("accept", "application/xml")] {
        let answer = request.send(&emulator).await;
        assert_eq!(answer.header("content-type"), "text/xml;charset=utf-8");
        assert!(answer.body.contains("<Error><RequestId>"), "{}", answer.body);
        assert!(answer.body.contains("<Code>InvalidAction.NotFound</Code>"), "{}", answer.body);
        assert!(answer.body.contains("InvalidAction.NotFound&amp;product=imm"), "{}", answer.body);
    }
    let answer = request.with("Format", "json").header("accept", "application/xml").send(&emulator).await;
    assert_eq!(answer.code(), "InvalidAction.NotFound");
}

#[tokio::test]
async fn the_clock_is_moved_in_code_and_over_http() {
    let emulator = emulator().await;
    let control = async |body: &str| {
        let wire = format!("POST /_emulator/clock HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        raw(&emulator, wire.as_bytes()).await
    };
    emulator.advance_clock(Duration::from_millis(1_500));
    assert_eq!(emulator.now(), UNIX_EPOCH + NOW + Duration::from_millis(1_500));
    let answer = control(r#"{"advance_seconds": 60}"#).await;
    assert_eq!(answer.body, r#"{"now":"2026-01-02T03:05:06.500Z","offset_seconds":61,"frozen":true}"#);
    assert_eq!(control(r#"{"offset_seconds": -5}"#).await.json()["now"], "2026-01-02T03:04:00.000Z");
    assert_eq!(control("").await.json()["offset_seconds"], -5);
    for body in ["{", r#"{"offset_seconds":1,"advance_seconds":1}"#, r#"{"advance_seconds":-1}"#, r#"{"x":1}"#] {
        assert_eq!(control(body).await.status, 400, "{body}");
    }
    assert_eq!(raw(&emulator, b"GET /_emulator/clock HTTP/1.1\r\nhost: x\r\n\r\n").await.status, 405);
    assert_eq!(raw(&emulator, b"POST /_emulator/x HTTP/1.1\r\nhost: x\r\n\r\n").await.status, 404);
    let answer = Request::sts("GetCallerIdentity").send(&emulator).await;
    assert_eq!((answer.status, answer.header("date")), (200, "Fri, 02 Jan 2026 03:04:00 GMT"));
    assert!(emulator.calls().iter().all(|call| call.action == "GetCallerIdentity"));
}

#[tokio::test]
async fn a_clock_offset_is_kept_from_the_start() {
    let plain = Emulator::builder().start().await.unwrap();
    let ahead = Emulator::builder().clock_offset(3_600).start().await.unwrap();
    let earlier = plain.now();
    assert!(ahead.now().duration_since(earlier).unwrap() >= Duration::from_secs(3_600));
}

#[tokio::test]
async fn faults_come_before_every_check_and_are_used_up() {
    let emulator = emulator().await;
    let fault = Fault::new(429, "Throttling.User")
        .times(2)
        .header("x-acs-retry-after", "2000")
        .header("bad name", "x")
        .header("content-length", "1");
    emulator.fail_next("sts/AssumeRole", fault);
    for _ in 0..2 {
        let answer = Request::assume("imm-role").tamper("authorization", None).send(&emulator).await;
        assert_eq!((answer.status, answer.code().as_str()), (429, "Throttling.User"));
        assert_eq!(answer.header("x-acs-retry-after"), "2000");
        assert_eq!(answer.message(), "Request was denied due to user flow control.");
    }
    assert_eq!(Request::assume("imm-role").send(&emulator).await.status, 200);
    assert_eq!(emulator.summary().sts.rejected, 2);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_call_is_in_the_log_before_it_is_answered() {
    let emulator = emulator().await;
    emulator.fail_next("sts/*", Fault::delayed(Duration::from_secs(3_600)));
    let request = Request::sts("GetCallerIdentity");
    let (answer, ()) = tokio::join!(request.send(&emulator), async {
        while emulator.calls().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(emulator.calls()[0].status, 0);
    });
    assert_eq!(answer.status, 200);
    assert_eq!(emulator.calls()[0].status, 200);
}

#[tokio::test]
async fn the_log_tells_what_was_sent_and_answered() {
    let emulator = emulator().await;
    let key = Request::assume("imm-role").send(&emulator).await.session();
    let mut request = Request::imm("ListProjects").with("Prefix", "a b").key(key.clone());
    request.wire_query = Some("Prefix=a+b".into());
    request.send(&emulator).await;
    Request::imm("GetProject").with("ProjectName", "none").send(&emulator).await;
    raw(&emulator, b"GET /x HTTP/1.1\r\nhost: h\r\n\r\n").await;

    let calls = emulator.calls();
    assert_eq!(calls.len(), 4);
    assert_eq!(calls[1].action, "ListProjects");
    assert_eq!(calls[1].version, "2020-09-30");
    assert_eq!(calls[1].access_key_id.as_deref(), Some(key.0.as_str()));
    assert_eq!(calls[1].session.as_deref(), Some("app"));
    assert_eq!(calls[1].path_and_query, "/?Prefix=a+b");
    assert_eq!(calls[1].host, emulator.http_addr().to_string());
    assert_eq!((calls[1].status, calls[1].code.as_deref()), (200, None));
    assert_eq!(calls[1].at, UNIX_EPOCH + NOW);
    assert_eq!((calls[2].status, calls[2].code.as_deref()), (400, Some("ResourceNotFound")));
    assert_eq!((calls[3].method.as_str(), calls[3].action.as_str(), calls[3].host.as_str()), ("GET", "", "h"));
    let summary = emulator.summary();
    assert_eq!((summary.calls, summary.accepted, summary.rejected), (4, 2, 2));
    assert_eq!((summary.sts.calls, summary.imm.calls), (1, 2));
    assert!(!format!("{emulator:?} {summary:?}").contains("secret"));
}

#[tokio::test]
async fn no_input_stops_it() {
    let emulator = emulator().await;
    // 100,000 parameters in a form, all signed.
    let many: Vec<String> = (0..100_000).map(|number| format!("k{number}=")).collect();
    let request = Request::imm("CreateProject").with("ProjectName", "many").form(&many.join("&"));
    assert_eq!(request.send(&emulator).await.status, 200);
    // A body over 1 MiB.
    let request = Request::imm("CreateProject").form(&"a".repeat(1024 * 1024 + 1));
    let answer = request.send(&emulator).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "RequestEntityTooLarge"));
    // 20,000 parameters in the query; more than the 65,534 bytes that the HTTP layer takes.
    let many: Vec<String> = (0..20_000).map(|number| format!("k{number}=")).collect();
    let mut request = Request::imm("CreateProject");
    request.wire_query = Some(many.join("&"));
    let wire = request.bytes(&emulator);
    assert!(raw(&emulator, &wire).await.status >= 400);
    // Broken escapes, bytes that are not UTF-8, absurd values.
    for query in ["%", "a=%zz", "a=%ff", "=&=&==", "&&&"] {
        let mut request = Request::imm("CreateProject");
        request.wire_query = Some(query.into());
        assert_eq!(request.send(&emulator).await.status, 400, "{query}");
    }
    for (name, value) in [
        ("authorization", "ACS3-HMAC-SHA256 ,,,===;;;"),
        ("authorization", "ACS3-HMAC-SHA256 Credential=emulator-ram-user,SignedHeaders=,Signature="),
        ("x-acs-date", "9999-99-99T99:99:99Z"),
        ("x-acs-date", "0000-01-01T00:00:00Z"),
        ("x-acs-version", "é"),
        ("host", "://///:::"),
        ("content-type", ";;;"),
        ("accept", "application/xml"),
    ] {
        let answer = Request::imm("CreateProject").tamper(name, Some(value)).send(&emulator).await;
        assert_eq!(answer.status, 400, "{name}: {value}");
    }
    for wire in [
        &b"\x00\xff\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST / HTTP/1.0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\nx-acs-version: \xff\xfe\r\nhost: y\r\ncontent-length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ] {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = TcpStream::connect(emulator.http_addr()).await.unwrap();
        stream.write_all(wire).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
    }
    assert_eq!(Request::sts("GetCallerIdentity").send(&emulator).await.status, 200);
}

#[tokio::test]
async fn it_stops_when_the_last_handle_is_dropped() {
    let emulator = emulator().await;
    let address = emulator.http_addr();
    let other = emulator.clone();
    drop(emulator);
    assert_eq!(Request::sts("GetCallerIdentity").send(&other).await.status, 200);
    drop(other);
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
