//! Logins by OAuth: a browser that comes back to loopback, or a pasted address.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_at_both_sites_and_the_chain_uses_the_profile() {
    let _ports = PORTS.lock().await;
    for (site, name, host) in
        [(Site::China, "CN", "signin.aliyun.com"), (Site::International, "INTL", "signin.alibabacloud.com")]
    {
        let world = World::new(&format!("oauth-{name}")).await;
        let pending = world.oauth(site).region("cn-shanghai").start().await.unwrap();
        let url = pending.page().url().to_owned();
        assert!(url.starts_with(&format!("https://{host}/oauth2/v1/auth?response_type=code&client_id=")), "{url}");
        assert!(!world.file().exists(), "nothing is written before the person has logged in");
        let back = world.approved(pending.page()).await;
        let (logged_in, answers) = world.wait(&pending, &[&back]).await;
        let logged_in = logged_in.unwrap();
        assert_eq!((logged_in.profile(), logged_in.config_file()), ("dev", world.file().as_path()));
        let left = logged_in.access_token_expiration().duration_since(world.emulator.now()).unwrap();
        assert!(left > Duration::from_secs(3500) && left <= Duration::from_secs(3600));
        assert!(answers[0].starts_with("HTTP/1.1 200 OK\r\n"), "{}", answers[0]);
        for header in ["Cache-Control: no-store", "Referrer-Policy: no-referrer", "default-src 'none'"] {
            assert!(answers[0].contains(header), "{}", answers[0]);
        }
        let code = query_of(&back, "code").to_owned();
        assert!(!answers[0].contains(&code) && !answers[0].contains(query_of(&back, "state")));
        let profile = world.profile("dev");
        assert_eq!(
            (profile["mode"].as_str(), profile["oauth_site_type"].as_str(), profile["region_id"].as_str()),
            (Some("OAuth"), Some(name), Some("cn-shanghai"))
        );
        assert!(
            world.text().starts_with("{\n\t\"current\": \"dev\",\n\t\"profiles\": [\n\t\t{\n\t\t\t\"name\": \"dev\"")
        );
        assert_eq!(world.session("dev").await.unwrap(), "default/cli_profile/oauth");
        #[cfg(unix)]
        for (path, mode) in [(world.file(), 0o600), (world.home.join(".aliyun"), 0o700)] {
            let found = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions());
            assert_eq!(found & 0o777, mode);
        }
        // A second login renews the first one, and the session that may be another person's is gone.
        let before = world.text();
        let other =
            before.replace("\"meta_path\"", "\"x\"").replace("\t\t}\n\t]", "\t\t}\n\t],\n\t\"meta_path\": \"\"");
        world.write(&other);
        let pending = world.oauth(site).start().await.unwrap();
        let back = world.approved(pending.page()).await;
        world.wait(&pending, &[&back]).await.0.unwrap();
        let renewed = world.profile("dev");
        assert_ne!(renewed["oauth_refresh_token"], profile["oauth_refresh_token"]);
        assert_eq!((renewed["sts_token"].as_str(), renewed["sts_expiration"].as_i64()), (Some(""), Some(0)));
        assert_eq!(renewed["region_id"], "cn-shanghai");
        assert!(world.text().ends_with("\t],\n\t\"meta_path\": \"\"\n}\n"));
        assert_eq!(world.session("dev").await.unwrap(), "default/cli_profile/oauth");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_belong_to_the_login_is_refused_and_does_not_end_it() {
    let _ports = PORTS.lock().await;
    let world = World::new("strangers").await;
    let pending = world.oauth(Site::China).start().await.unwrap();
    let back = world.approved(pending.page()).await;
    let wrong_state = back.replace("state=", "state=0");
    let stranger = async {
        let mut statuses = Vec::new();
        for (url, method, host) in [
            (wrong_state.as_str(), "GET", None),
            (&back.replace("state=", "x="), "GET", None),
            (&back.replace("code=", "x="), "GET", None),
            (&back, "POST", None),
            (&back.replace("/cli/callback", "/favicon.ico"), "GET", None),
            (&back, "GET", Some("evil.example")),
            (&back, "GET", Some("localhost:12345")),
            (&back.replace("/cli", &format!("/{}", "x".repeat(40_000))), "GET", None),
        ] {
            let answer = visit_loopback(url, method, host).await;
            assert!(!answer.contains(query_of(&back, "code")));
            statuses.push(answer.get(9..12).unwrap_or_default().to_owned());
        }
        // Twenty who say nothing do not keep the browser away for longer than they may.
        let authority = back.strip_prefix("http://").unwrap().split('/').next().unwrap();
        let mut silent = Vec::new();
        for _ in 0..15 {
            silent.push(TcpStream::connect(authority).await.unwrap());
        }
        visit_loopback(&back, "GET", None).await;
        statuses
    };
    let (logged_in, statuses) = tokio::join!(pending.wait(), stranger);
    assert_eq!(statuses, ["400", "400", "400", "405", "404", "421", "421", ""]);
    assert_eq!(logged_in.unwrap().profile(), "dev");
    assert_eq!(world.emulator.calls().iter().filter(|call| call.action == "token").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_was_pasted_does_as_well() {
    let world = World::new("pasted").await;
    let login = || world.oauth(Site::China).listen(false);
    let pending = login().start().await.unwrap();
    let back = world.approved(pending.page()).await;
    for (pasted, code) in [
        ("what?", "LoginPasteInvalid"),
        (&back.replace("state=", "state=0"), "LoginStateMismatch"),
        (&back.replace("state=", "x="), "LoginPasteInvalid"),
    ] {
        let error = pending.finish_with(pasted).await.unwrap_err();
        assert_eq!(error.code(), Some(code));
        assert!(!format!("{error:#} {error:?}").contains(query_of(&back, "code")));
    }
    assert_eq!(pending.wait().await.unwrap_err().code(), Some("LoginNotListening"));
    pending.finish_with(&format!(" {back}\n")).await.unwrap();
    assert_eq!(world.session("dev").await.unwrap(), "default/cli_profile/oauth");
    let pending = login().start().await.unwrap();
    let back = world.approved(pending.page()).await;
    pending.finish_with(query_of(&back, "code")).await.unwrap();
    // It was spent.
    let error = pending.finish_with(query_of(&back, "code")).await.unwrap_err();
    assert_eq!((error.code(), error.http_status()), (Some("LoginRefused"), Some(400)));
    assert_eq!(error.remedy(), Some("begin the login again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_of_another_login_is_refused_by_its_verifier_and_nothing_is_written() {
    let world = World::new("verifier").await;
    let login = || world.oauth(Site::China).listen(false).start();
    let (mine, other) = (login().await.unwrap(), login().await.unwrap());
    let back = world.approved(other.page()).await;
    let code = query_of(&back, "code");
    let error = mine.finish_with(code).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some("LoginRefused")));
    assert!(error.message().contains("oauth.aliyun.com") && error.message().contains("(invalid_grant)"), "{error}");
    assert!(!world.file().exists());
    let mut exposed = Exposed::default();
    exposed.error(&error);
    exposed.debug("the login", &mine);
    exposed.debug("its page", mine.page());
    let secrets = [code, query_of(mine.page().url(), "state"), query_of(&back, "state")].map(str::to_owned);
    assert_eq!(exposed.leaks(&secrets), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_left_or_given_up_writes_nothing() {
    let _ports = PORTS.lock().await;
    let world = World::new("nothing").await;
    world.emulator.decide_logins(LoginDecision::Deny);
    let pending = world.oauth(Site::China).start().await.unwrap();
    let back = world.approved(pending.page()).await;
    let (result, answers) = world.wait(&pending, &[&back]).await;
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some("LoginDenied")));
    assert!(error.message().ends_with("(access_denied)") && answers[0].starts_with("HTTP/1.1 200"), "{error}");
    drop(pending);
    // Nobody comes.
    let (context, clock) = world.slow_context();
    let pending = world.oauth(Site::China).context(context).timeout(Duration::from_secs(60)).start().await.unwrap();
    let error = world.drive(&clock, pending.wait()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::TimedOut, Some("LoginTimedOut")));
    assert_eq!(pending.finish_with("code").await.unwrap_err().code(), Some("LoginTimedOut"));
    drop(pending);
    // Given up: the port is free again.
    for _ in 0..2 {
        let pending = world.oauth(Site::China).start().await.unwrap();
        let back = world.approved(pending.page()).await;
        assert!(back.is_empty() || query_of(pending.page().url(), "redirect_uri").contains("12345"));
        let mut wait = Box::pin(pending.wait());
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(wait.as_mut().poll(cx))).await.is_pending());
    }
    assert_eq!(world.left(), Vec::<String>::new(), "no folder and no lock either");
    world.write("{}");
    drop(world.oauth(Site::China).start().await.unwrap());
    assert_eq!((world.text().as_str(), world.left()), ("{}", [".aliyun", "config.json"].map(str::to_owned).to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_busy_is_passed_over_and_five_are_an_error() {
    let _ports = PORTS.lock().await;
    let world = World::new("ports").await;
    let busy = TcpListener::bind("127.0.0.1:12345").unwrap();
    let pending = world.oauth(Site::China).start().await.unwrap();
    let back = world.approved(pending.page()).await;
    assert!(back.starts_with("http://127.0.0.1:12346/cli/callback?"), "{back}");
    world.wait(&pending, &[&back]).await.0.unwrap();
    drop(pending);
    let others: Vec<_> = (12_346..=12_349).map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap()).collect();
    let error = world.oauth(Site::China).start().await.unwrap_err();
    assert_eq!(error.code(), Some("LoginPortBusy"));
    assert!(world.oauth(Site::China).listen(false).start().await.is_ok());
    drop((busy, others));
}

#[tokio::test(flavor = "multi_thread")]
async fn before_anyone_logs_in_it_is_clear_that_the_profile_can_be_written() {
    let world = World::new("before").await;
    let start = || world.oauth(Site::China).listen(false).start();
    let code = |error: Error| (error.code().unwrap().to_owned(), error.to_string());
    let ak =
        r#"{"current":"dev","profiles":[{"name":"dev","mode":"AK","access_key_id":"i","access_key_secret":"canary"}]}"#;
    for (text, wanted, told) in [
        (ak, "ProfileExists", "has mode AK"),
        (
            r#"{"profiles":[{"name":"dev","access_key_id":"i","access_key_secret":"canary"}]}"#,
            "ProfileExists",
            "mode AK",
        ),
        (r#"{"profiles":[{"name":"dev","mode":"Canary2"}]}"#, "ProfileExists", "mode Canary2"),
        (r#"{"profiles":[{"name":"dev""#, "ConfigMalformed", "ends too early"),
        (r#"{"profiles":[{"name":"dev","name":"x"}]}"#, "ConfigMalformed", "has a key twice"),
    ] {
        world.write(text);
        let (found, message) = code(start().await.unwrap_err());
        assert_eq!(found, wanted, "{message}");
        assert!(message.contains(told) && !message.contains("canary"), "{message}");
        assert_eq!(world.text(), text);
        let sso = world.cloud_sso(world.context()).start().await.unwrap_err();
        assert_eq!(sso.code(), Some(wanted));
    }
    world.write("{}");
    for barred in [".config.json.new", ".config.json.lock"] {
        let barred = world.home.join(".aliyun").join(barred);
        fs::create_dir(&barred).unwrap();
        assert_eq!(code(start().await.unwrap_err()).0, "ConfigNotWritten");
        fs::remove_dir(barred).unwrap();
    }
    assert_eq!(world.left(), [".aliyun", "config.json"]);
    for (login, wanted) in [
        (world.oauth(Site::China).profile(""), "InvalidParameter.ProfileName"),
        (world.oauth(Site::China).region("cn x"), "InvalidRegion"),
        (world.oauth(Site::China).config_file("/dev/null/x/config.json"), "ConfigNotWritten"),
    ] {
        assert_eq!(code(login.listen(false).start().await.unwrap_err()).0, wanted);
    }
    assert_eq!(world.emulator.calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_turns_bad_while_the_person_logs_in_is_left_as_it_is() {
    let world = World::new("meanwhile").await;
    for (text, wanted) in [
        ("{\"profiles\": [] /* mine */}", "ConfigMalformed"),
        (r#"{"profiles":[{"name":"dev","mode":"AK","access_key_id":"i","access_key_secret":"s"}]}"#, "ProfileExists"),
        (r#"{"x":1,"x":2,"profiles":[]}"#, "ConfigNotWritten"),
    ] {
        world.write("{}");
        let pending = world.oauth(Site::China).listen(false).start().await.unwrap();
        let back = world.approved(pending.page()).await;
        world.write(text);
        let error = pending.finish_with(&back).await.unwrap_err();
        assert_eq!((error.code(), world.text().as_str()), (Some(wanted), text), "{error}");
    }
}
