//! Logins by CloudSSO's device flow.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_to_cloud_sso_on_another_device() {
    let world = World::new("sso").await;
    let (context, clock) = world.slow_context();
    let pending = world.cloud_sso(context.clone()).region("cn-shanghai").start().await.unwrap();
    let page = pending.page().clone();
    let code = page.user_code().unwrap();
    assert!(page.url().ends_with(&format!("/device?user_code={code}")), "{}", page.url());
    // Three polls before the person comes; one fails.
    world.emulator.fail_next("cloudsso/token", Fault::answered());
    world.emulator.fail_next("cloudsso/token", Fault::new(503, "ServiceUnavailable"));
    let person = async {
        let polls = || world.emulator.calls().iter().filter(|call| call.action == "token").count();
        while polls() < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.open(page.url()).await.0, 200);
    };
    let (user, ()) = world.drive(&clock, async { tokio::join!(pending.wait(), person) }).await;
    let user = user.unwrap();
    assert!(!world.file().exists(), "nothing is written before something is chosen");
    let accounts = world.drive(&clock, user.accounts()).await.unwrap();
    assert_eq!(accounts.iter().map(ToString::to_string).collect::<Vec<_>>()[0], format!("emulated ({ACCOUNT})"));
    let configurations = world.drive(&clock, user.access_configurations(ACCOUNT)).await.unwrap();
    assert_eq!((configurations.len(), configurations[0].id.as_str()), (1, "ac-emulator"));
    assert_eq!(user.choose("a b", "ac-emulator").await.unwrap_err().code(), Some("LoginIdInvalid"));
    let logged_in = user.choose(ACCOUNT, "ac-emulator").await.unwrap();
    assert_eq!(logged_in.profile(), "dev");
    let profile = world.profile("dev");
    for (member, value) in [
        ("mode", "CloudSSO"),
        ("cloud_sso_sign_in_url", SIGN_IN_URL),
        ("cloud_sso_account_id", ACCOUNT),
        ("cloud_sso_access_config", "ac-emulator"),
        ("region_id", "cn-shanghai"),
    ] {
        assert_eq!(profile[member], value);
    }
    let chain = DefaultCredentialChain::builder().context(context).profile("dev").build();
    let session = drive(&clock, chain.credentials()).await.unwrap();
    assert_eq!(session.provider_name(), "default/cli_profile/cloud_sso");
    let mut exposed = Exposed::default();
    exposed.debug("the user", &user);
    exposed.debug("the pending login", &pending);
    exposed.debug("the result", &logged_in);
    assert_eq!(exposed.leaks(&[profile["access_token"].as_str().unwrap().to_owned()]), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_page_by_page_and_one_that_is_to_be_chosen_from_is_listed() {
    let world = World::new("pages").await;
    let (context, clock) = world.slow_context();
    let first = r#"{"Accounts":[{"AccountId":"1","DisplayName":"one"}],"IsTruncated":true,"NextToken":"1"}"#;
    world.emulator.fail_next("cloudsso/accounts", Fault::answered().body(first));
    let login = || world.cloud_sso(context.clone());
    let run = |login: CloudSsoLogin| async {
        let pending = login.clone().start().await.unwrap();
        drop(pending);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let person = async {
            let url: String = receiver.await.unwrap();
            world.open(&url).await;
        };
        let login = login.run(|page| drop(sender.send(page.url().to_owned())));
        world.drive(&clock, async { tokio::join!(login, person).0 }).await
    };
    let error = run(login()).await.unwrap_err();
    assert_eq!(error.code(), Some("LoginAmbiguous"));
    assert!(error.message().contains("one (1), emulated and empty (1234567890123457)"), "{error}");
    let error = run(login().account("1234567890123457")).await.unwrap_err();
    assert_eq!(error.code(), Some("NoAssignment"));
    let error = run(login().account("5")).await.unwrap_err();
    assert_eq!((error.code(), error.http_status()), (Some("LoginRefused"), Some(403)));
    assert!(!world.file().exists());
    run(login().account(ACCOUNT)).await.unwrap();
    assert_eq!(world.profile("dev")["cloud_sso_access_config"], "ac-emulator");
    let queries: Vec<_> = world.emulator.calls().iter().map(|call| call.path_and_query.clone()).collect();
    assert!(queries.contains(&"/access-assignments/accounts?MaxResults=100&NextToken=1".to_owned()), "{queries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_refused_or_forgotten_says_so() {
    let world = World::new("device").await;
    let (context, clock) = world.slow_context();
    let start = || world.cloud_sso(context.clone()).start();
    world.emulator.decide_logins(LoginDecision::Deny);
    let pending = start().await.unwrap();
    world.open(pending.page().url()).await;
    let error = world.drive(&clock, pending.wait()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some("LoginDenied")));
    world.emulator.decide_logins(LoginDecision::Leave);
    // The service forgets the code before the limit, or the limit comes first.
    for limit in [3600, 100] {
        let pending = world.cloud_sso(context.clone()).timeout(Duration::from_secs(limit)).start().await.unwrap();
        let calls = world.emulator.calls().len();
        let error = world.drive(&clock, pending.wait()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::TimedOut, Some("LoginTimedOut")));
        let polls = world.emulator.calls().len() - calls;
        assert!(polls <= 151, "{polls} polls");
    }
    // Told to slow down, it does.
    let pending = start().await.unwrap();
    let body = r#"{"ErrorCode":"SlowDown","ErrorMessage":"x","RequestId":"R-1"}"#;
    world.emulator.fail_next("cloudsso/token", Fault::new(400, "SlowDown").body(body));
    let (began, calls) = (world.emulator.now(), world.emulator.calls().len());
    let mut wait = Box::pin(pending.wait());
    loop {
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(wait.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        if world.emulator.calls().len() >= calls + 2 {
            break;
        }
        if let Some(pause) = clock.next_wake().filter(|pause| *pause != Duration::from_secs(10)) {
            clock.advance(pause);
            world.emulator.advance_clock(pause);
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(world.emulator.now().duration_since(began).unwrap(), Duration::from_secs(4 + 9));
    drop(wait);
    // What is no refusal that is known ends it, and holds nothing of the body.
    let pending = start().await.unwrap();
    world
        .emulator
        .fail_next("cloudsso/token", Fault::new(400, "X").body(r#"{"ErrorCode":"InvalidGrant","x":"canary"}"#));
    let error = world.drive(&clock, pending.wait()).await.unwrap_err();
    assert_eq!((error.code(), error.remedy()), (Some("LoginRefused"), Some("begin the login again")));
    assert!(!format!("{error:?}").contains("canary"));
    assert_eq!(world.left(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_answers_nonsense_starts_no_login() {
    let world = World::new("nonsense").await;
    let good =
        r#"{"DeviceCode":"canary","UserCode":"A-1","VerificationUriComplete":"https://x.example/d","Interval":5}"#;
    for (body, told) in [
        ("<html>", "without a JSON object"),
        ("{}", "without DeviceCode"),
        (&good.replace("canary", "can ary"), "without DeviceCode"),
        (&good.replace("https://x.example/d", "file:///canary"), "without a VerificationUri over HTTPS"),
        (&good.replace("https://x.example/d", "http://x.example/canary"), "without a VerificationUri over HTTPS"),
    ] {
        world.emulator.fail_next("cloudsso/device-authorization", Fault::answered().body(body));
        let error = world.cloud_sso(world.context()).start().await.unwrap_err();
        assert!(error.message().contains(told), "{body}: {error}");
        assert!(!format!("{error:#} {error:?}").contains("canary"), "{error:?}");
    }
    for url in ["http://sso.example/x", "ftp://sso.example", "https://user:canary@sso.example/"] {
        let error = CloudSsoLogin::new(url).context(world.context()).start().await.unwrap_err();
        assert!(!format!("{error:#} {error:?}").contains("canary"), "{error:?}");
    }
    world.emulator.fail_next("oauth/token", Fault::answered().body(r#"{"access_token":"canary"}"#));
    let pending = world.oauth(Site::China).listen(false).start().await.unwrap();
    let back = world.approved(pending.page()).await;
    let error = pending.finish_with(&back).await.unwrap_err();
    assert!(error.message().contains("without refresh_token") && !format!("{error:?}").contains("canary"), "{error}");
    assert!(!world.file().exists());
}
