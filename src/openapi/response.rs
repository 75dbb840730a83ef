//! The response to a call that was accepted.

use std::fmt;

use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};
use serde_json::Value;

use crate::error::{Error, ErrorKind};
use crate::rpc::Accepted;

/// The response of a server to a call that it accepted.
///
/// Serialized, it has the shape in which the IMM guide prints it: `headers`, `statusCode`, `body`.
///
/// ```no_run
/// # async fn example(imm: alibabacloud_credentials::OpenApiClient) -> Result<(), alibabacloud_credentials::Error> {
/// let response = imm.call("GetProject", [("ProjectName", "testproject")]).await?;
/// println!("{} {:?}", response.status_code(), response.request_id());
/// println!("{}", response.body()["Project"]["FileCount"]);
/// # Ok(()) }
/// ```
///
/// ```
/// # fn example(answer: alibabacloud_credentials::ApiResponse) -> Result<(), alibabacloud_credentials::Error> {
/// #[derive(serde::Deserialize)]
/// #[serde(rename_all = "PascalCase")]
/// struct Created { project: Project }
/// #[derive(serde::Deserialize)]
/// #[serde(rename_all = "PascalCase")]
/// struct Project { project_name: String, create_time: String }
///
/// let created: Created = answer.json()?;
/// println!("{} since {}", created.project.project_name, created.project.create_time);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ApiResponse(pub(super) Accepted);

impl ApiResponse {
    /// The headers, in the order in which they came.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// The HTTP status: 2xx.
    pub fn status_code(&self) -> u16 {
        self.0.status.as_u16()
    }

    /// The body, a JSON object. Counts are whole numbers of 64 bits.
    pub fn body(&self) -> &Value {
        &self.0.body
    }

    /// Takes the body out.
    pub fn into_body(self) -> Value {
        self.0.body
    }

    /// Reads the body as a type of the caller's. Members that the type does not name are passed over, as serde does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidResponse`] with the code `UnexpectedShape` where the body is not what the type asks for. Its
    /// message names the type and not the value.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        T::deserialize(&self.0.body).map_err(|_| {
            // serde's own error may quote the body.
            let message = format!("the body of the response is no {}", std::any::type_name::<T>());
            let error = Error::new(ErrorKind::InvalidResponse, message).with_code("UnexpectedShape").permanent();
            let error = error.with_http_status(self.status_code());
            match self.request_id() {
                Some(id) => error.with_request_id(id),
                None => error,
            }
        })
    }

    /// The `RequestId`: what the cloud's support asks for.
    pub fn request_id(&self) -> Option<&str> {
        self.0.body.get("RequestId")?.as_str()
    }
}

impl fmt::Debug for ApiResponse {
    /// Without the body: it may hold what is not to be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiResponse")
            .field("status_code", &self.status_code())
            .field("request_id", &self.request_id())
            .finish_non_exhaustive()
    }
}

impl Serialize for ApiResponse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Headers<'a>(&'a HeaderMap);
        impl Serialize for Headers<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(self.0.keys_len()))?;
                for name in self.0.keys() {
                    let values: Vec<_> =
                        self.0.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
                    map.serialize_entry(name.as_str(), &values.join(", "))?;
                }
                map.end()
            }
        }
        let mut map = serializer.serialize_struct("ApiResponse", 3)?;
        map.serialize_field("headers", &Headers(&self.0.headers))?;
        map.serialize_field("statusCode", &self.status_code())?;
        map.serialize_field("body", &self.0.body)?;
        map.end()
    }
}
