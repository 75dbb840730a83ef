//! IMM 2020-09-30: the five operations on projects. Each region has its own projects, in memory.

mod parameters;
mod project;
pub(crate) mod store;

use std::ops::Bound;

use chrono::Duration;
use serde::Serialize;

use crate::account::ACCOUNT_ID;
use crate::clock::beijing;
use crate::invocation::Invocation;
use crate::random::hex;
use crate::response::{ApiError, ApiResult, json};

use self::parameters::{Changes, boolean, filter_tags, max_results, prefix, project_name};
use self::project::Project;
use self::store::Region;

pub(crate) const VERSION: &str = "2020-09-30";
pub(crate) const ACTIONS: [&str; 5] = ["CreateProject", "GetProject", "ListProjects", "UpdateProject", "DeleteProject"];

/// The documented default quota of projects per region.
const QUOTA: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ProjectResponse<'a> {
    project: &'a Project,
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListResponse<'a> {
    next_token: String,
    projects: Vec<&'a Project>,
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EmptyResponse<'a> {
    request_id: &'a str,
}

pub(crate) fn invoke(call: &Invocation<'_>, action: &str) -> ApiResult<String> {
    authorize(call, action)?;
    call.state.projects.with_region(call.region, |projects| match action {
        "CreateProject" => create(call, projects),
        "GetProject" => get(call, projects),
        "ListProjects" => list(call, projects),
        "UpdateProject" => update(call, projects),
        _ => delete(call, projects),
    })
}

fn authorize(call: &Invocation<'_>, action: &str) -> ApiResult<()> {
    // ListProjects applies to all projects, whatever `ProjectName` the request carries.
    let name = if action == "ListProjects" { "*" } else { call.parameters.get("ProjectName").unwrap_or_default() };
    let resource = format!("acs:imm:{}:{ACCOUNT_ID}:project/{name}", call.region);
    let error = ApiError::new(403, "Forbidden.RAM", "User not authorized to operate on the specified APIs.");
    call.authorize(format!("imm:{action}"), &resource, error)
}

fn create(call: &Invocation<'_>, projects: &mut Region) -> ApiResult<String> {
    let name = project_name(call.parameters)?;
    if projects.contains_key(name) {
        return Err(ApiError::new(400, "ResourceAlreadyExists", "The specified resource project already exists."));
    }
    if projects.len() >= QUOTA {
        return Err(ApiError::new(400, "LimitExceededError", "resource count exceeds the limit"));
    }
    let changes = Changes::read(call.parameters)?;
    let mut project = Project::new(name);
    changes.apply(&mut project);
    project.create_time = beijing(call.now);
    // The captured sample has 84 ns between the two times.
    let later = 24 + i64::from(call.state.random.below(72));
    project.update_time = beijing(call.now + Duration::nanoseconds(later));
    let body = json(&ProjectResponse { project: &project, request_id: call.request_id });
    projects.insert(name.to_owned(), project);
    Ok(body)
}

fn get(call: &Invocation<'_>, projects: &Region) -> ApiResult<String> {
    let project = projects.get(project_name(call.parameters)?).ok_or_else(not_found)?;
    // There are no datasets, so the statistics are zeros with and without this parameter.
    boolean(call.parameters, "WithStatistics")?;
    Ok(json(&ProjectResponse { project, request_id: call.request_id }))
}

fn list(call: &Invocation<'_>, projects: &Region) -> ApiResult<String> {
    let prefix = prefix(call.parameters)?;
    let tags = filter_tags(call.parameters)?;
    let max = max_results(call.parameters)?;
    let start = match call.parameters.get("NextToken") {
        Some(token) => Bound::Excluded(read_token(call, token)?),
        None => Bound::Unbounded,
    };
    let mut matching = projects
        .range::<str, _>((start.as_ref().map(String::as_str), Bound::Unbounded))
        .map(|(_, project)| project)
        .filter(|project| project.name().starts_with(prefix) && tags.iter().all(|tag| tag.matches(project)));
    let page: Vec<&Project> = matching.by_ref().take(max).collect();
    let next_token = match (page.last(), matching.next()) {
        (Some(last), Some(_)) => write_token(call, last.name()),
        _ => String::new(),
    };
    Ok(json(&ListResponse { next_token, projects: page, request_id: call.request_id }))
}

fn update(call: &Invocation<'_>, projects: &mut Region) -> ApiResult<String> {
    let project = projects.get_mut(project_name(call.parameters)?).ok_or_else(not_found)?;
    Changes::read(call.parameters)?.apply(project);
    project.update_time = beijing(call.now);
    Ok(json(&ProjectResponse { project, request_id: call.request_id }))
}

fn delete(call: &Invocation<'_>, projects: &mut Region) -> ApiResult<String> {
    projects.remove(project_name(call.parameters)?).ok_or_else(not_found)?;
    Ok(json(&EmptyResponse { request_id: call.request_id }))
}

/// The documents list this error with status 400, not 404.
fn not_found() -> ApiError {
    ApiError::new(400, "ResourceNotFound", "The specified resource project is not found.")
}

/// Encodes a page token: a MAC that binds it to the region, then the name at which the page ended. Clients treat it as
/// opaque.
fn write_token(call: &Invocation<'_>, name: &str) -> String {
    format!("{}{}", call.state.random.short_mac(&format!("{}/{name}", call.region)), hex(name.as_bytes()))
}

fn read_token(call: &Invocation<'_>, token: &str) -> ApiResult<String> {
    let name = token.get(16..).and_then(|hex| {
        let digits = hex.as_bytes().chunks(2);
        let bytes: Option<Vec<u8>> =
            digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
        String::from_utf8(bytes?).ok()
    });
    name.filter(|name| write_token(call, name) == token).ok_or_else(|| parameters::invalid("NextToken"))
}
