//! CloudSSO's lists of what a user may use: accounts, and the access configurations in one.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::bearer;
use super::cloud_sso::{ACCESS_CONFIGURATION, refusal, refuse_token};
use crate::account::ACCOUNT_ID;
use crate::request::Request;
use crate::response::{PlainResponse, json};
use crate::state::State;

/// An account in which the user has nothing.
const EMPTY_ACCOUNT: &str = "1234567890123457";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Accounts<'a> {
    request_id: &'a str,
    accounts: Vec<Account<'a>>,
    #[serde(flatten)]
    page: Page,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Account<'a> {
    account_id: &'a str,
    display_name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Configurations<'a> {
    request_id: &'a str,
    access_configurations_for_account: Vec<Configuration<'a>>,
    #[serde(flatten)]
    page: Page,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Configuration<'a> {
    access_configuration_id: &'a str,
    access_configuration_name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) fn accounts(state: &State, request: &Request, now: DateTime<Utc>) -> PlainResponse {
    if let Some(refused) = refuse_token(state, bearer(request), now) {
        return refused;
    }
    let all = [(ACCOUNT_ID, "emulated"), (EMPTY_ACCOUNT, "emulated and empty")];
    let Some((accounts, page)) = paged(request, &all) else { return invalid_page(state) };
    let account = |(account_id, display_name)| Account { account_id, display_name };
    let accounts = accounts.into_iter().map(account).collect();
    PlainResponse::json(200, json(&Accounts { request_id: &state.random.request_id(), accounts, page }))
}

pub(super) fn access_configurations(state: &State, request: &Request, now: DateTime<Utc>) -> PlainResponse {
    if let Some(refused) = refuse_token(state, bearer(request), now) {
        return refused;
    }
    let all: &[(&str, &str)] = match request.first("AccountId") {
        Some(ACCOUNT_ID) => &[(ACCESS_CONFIGURATION, "emulator")],
        Some(EMPTY_ACCOUNT) => &[],
        _ => return refusal(state, 403, "AccessDenied", "The user is not assigned anything in this account."),
    };
    let Some((configurations, page)) = paged(request, all) else { return invalid_page(state) };
    let configuration = |(id, name)| Configuration { access_configuration_id: id, access_configuration_name: name };
    let access_configurations_for_account = configurations.into_iter().map(configuration).collect();
    let request_id = &state.random.request_id();
    PlainResponse::json(200, json(&Configurations { request_id, access_configurations_for_account, page }))
}

fn invalid_page(state: &State) -> PlainResponse {
    refusal(state, 400, "InvalidParameter", "MaxResults has to be 1 to 100, and NextToken one that was given.")
}

/// The entries that `MaxResults` and `NextToken` ask for. A token is the place of its first entry.
fn paged<'a>(request: &Request, all: &[(&'a str, &'a str)]) -> Option<(Vec<(&'a str, &'a str)>, Page)> {
    let max = request.first("MaxResults").map_or(Ok(10), str::parse::<usize>).ok()?;
    let start = match request.first("NextToken").filter(|token| !token.is_empty()) {
        Some(token) => token.parse::<usize>().ok().filter(|start| *start > 0 && *start < all.len())?,
        None => 0,
    };
    if !(1..=100).contains(&max) {
        return None;
    }
    let end = (start + max).min(all.len());
    let is_truncated = end < all.len();
    let next_token = is_truncated.then(|| end.to_string());
    Some((all[start..end].to_vec(), Page { is_truncated, next_token }))
}
