//! An authenticated call, as the handlers of a product receive it.

use chrono::{DateTime, Utc};

use crate::account::ACCOUNT_ID;
use crate::authenticate::Caller;
use crate::policy::Decision;
use crate::request::Parameters;
use crate::response::{AccessDenied, ApiError, ApiResult};
use crate::state::State;

pub(crate) struct Invocation<'a> {
    pub(crate) state: &'a State,
    pub(crate) caller: &'a Caller,
    pub(crate) parameters: &'a Parameters,
    pub(crate) now: DateTime<Utc>,
    pub(crate) request_id: &'a str,
    pub(crate) region: &'a str,
}

impl Invocation<'_> {
    /// Checks that the caller may perform an action on a resource. Otherwise returns `error` with an
    /// `AccessDeniedDetail`.
    pub(crate) fn authorize(&self, action: String, resource: &str, error: ApiError) -> ApiResult<()> {
        let (decision, policy_type) = self.caller.decide(&action, resource, &[]);
        if decision == Decision::Allow {
            return Ok(());
        }
        let (auth_principal_type, auth_principal_display_name) = self.caller.principal();
        let denied = AccessDenied {
            auth_action: action,
            auth_principal_type,
            auth_principal_display_name,
            auth_principal_owner_id: ACCOUNT_ID,
            policy_type,
            no_permission_type: if decision == Decision::ExplicitDeny { "ExplicitDeny" } else { "ImplicitDeny" },
            encoded_diagnostic_message: self.state.random.base64(64),
        };
        Err(ApiError { denied: Some(Box::new(denied)), ..error })
    }
}
