//! The file that logins are written into.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn profiles_are_listed_added_and_switched_without_loss() {
    let world = World::new("profiles").await;
    let file = ConfigFile::new().context(world.context());
    assert_eq!(file.profiles().await.unwrap(), []);
    let key = |name: &str| {
        let profile = NewProfile::new(name, "AK").set("access_key_id", "LTAI5tExampleKeyId01");
        profile.set("access_key_secret", "a-fake-canary").set("region_id", "cn-hangzhou")
    };
    file.add(key("a")).await.unwrap();
    let role = NewProfile::new("b", "ChainableRamRoleArn").set("source_profile", "a").set("expired_seconds", "900");
    file.add(role.clone().set("ram_role_arn", "acs:ram::1234567890123456:role/media")).await.unwrap();
    let before = world.text();
    for (profile, code) in [
        (key("a"), "ProfileExists"),
        (role.clone(), "ProfileExists"),
        (NewProfile::new("c", "AK").set("access_key_id", "i"), "HalfSet"),
        (NewProfile::new("c", "Ak").set("access_key_id", "i"), "UnsupportedMode"),
        (key("c").set("access_key_secret", "a canary"), "InvalidKeyCharacter"),
        (key("c").set("acess_key_id", "i"), "InvalidParameter.ProfileMember"),
        (key("c").set("expired_seconds", "soon"), "InvalidParameter.ProfileMember"),
        (NewProfile::new("c", "OAuth").set("oauth_site_type", "CN"), "InvalidParameter.ProfileMode"),
        (
            NewProfile::new("c", "ChainableRamRoleArn")
                .set("source_profile", "d")
                .set("ram_role_arn", "acs:ram::1:role/x"),
            "ProfileNotFound",
        ),
        (key(" "), "InvalidParameter.ProfileName"),
    ] {
        let error = file.add(profile).await.unwrap_err();
        assert_eq!(error.code(), Some(code), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    assert_eq!(world.text(), before);
    file.switch("b").await.unwrap();
    assert_eq!(world.text(), before.replace("\"current\": \"a\"", "\"current\": \"b\""));
    assert_eq!(file.switch("c").await.unwrap_err().code(), Some("ProfileNotFound"));
    let profiles = file.profiles().await.unwrap();
    assert_eq!(
        profiles.iter().map(|profile| (profile.name.as_str(), profile.is_current)).collect::<Vec<_>>(),
        [("a", false), ("b", true)]
    );
    assert_eq!(profiles[1].members["expired_seconds"], 900);
    assert!(!format!("{profiles:?}").contains("canary"));
    assert_eq!(file.clear_session("a").await.unwrap_err().code(), Some("InvalidParameter.ProfileMode"));
    assert_eq!(file.clear_session("c").await.unwrap_err().code(), Some("ProfileNotFound"));
    let missing = ConfigFile::at(world.home.join("none.json")).context(world.context());
    assert_eq!(missing.switch("a").await.unwrap_err().code(), Some("ProfileNotFound"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_not_made_leaves_no_folder_and_no_lock() {
    let world = World::new("not-made").await;
    let file = ConfigFile::new().context(world.context());
    let half = NewProfile::new("a", "ChainableRamRoleArn").set("ram_role_arn", "acs:ram::1:role/x");
    let orphan = half.clone().set("source_profile", "none");
    for profile in [half, orphan] {
        assert!(file.add(profile).await.is_err());
        assert!(file.switch("a").await.is_err());
        assert!(file.clear_session("a").await.is_err());
        assert_eq!(world.left(), Vec::<String>::new());
    }
    let login = r#""mode":"OAuth","oauth_site_type":"CN","oauth_access_token":"t","oauth_refresh_token":"t""#;
    let text = &format!(r#"{{"current":"a","profiles":[{{"name":"a",{login},"oauth_access_token_expire":1}}]}}"#);
    world.write(text);
    file.switch("b").await.unwrap_err();
    file.switch("a").await.unwrap();
    assert!(!file.clear_session("a").await.unwrap());
    file.clear_session("b").await.unwrap_err();
    file.add(NewProfile::new("a", "AK").set("access_key_id", "i").set("access_key_secret", "s")).await.unwrap_err();
    assert_eq!((&world.text(), world.left()), (text, [".aliyun", "config.json"].map(str::to_owned).to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_of_a_login_is_cleared_and_its_tokens_stay() {
    let world = World::new("cleared").await;
    let pending = world.oauth(Site::China).listen(false).start().await.unwrap();
    let back = world.approved(pending.page()).await;
    pending.finish_with(&back).await.unwrap();
    world.session("dev").await.unwrap();
    let before = world.profile("dev");
    assert!(before["sts_expiration"].as_i64().unwrap() > 0);
    let file = ConfigFile::new().context(world.context());
    assert!(file.clear_session("dev").await.unwrap());
    assert!(!file.clear_session("dev").await.unwrap());
    let after = world.profile("dev");
    assert_eq!(
        (after["sts_token"].as_str(), after["oauth_refresh_token"].clone()),
        (Some(""), before["oauth_refresh_token"].clone())
    );
    world.session("dev").await.unwrap();
    assert_ne!(world.profile("dev")["access_key_id"], before["access_key_id"]);
}
