//! The host and the API version of a product.

use alibabacloud_credentials::DefaultCredentialChain;

use crate::failure::Failure;
use crate::world;

/// Products whose version is known, and whose parameters are.
const KNOWN: [(&str, &str); 2] = [("imm", "2020-09-30"), ("sts", "2015-04-01")];
/// Also read by the aliyun CLI.
const ENDPOINT: &str = "ALIBABA_CLOUD_ENDPOINT";

pub(super) struct Product {
    name: String,
    version: String,
}

impl Product {
    pub(super) fn new(name: &str, version: Option<&str>) -> Result<Self, Failure> {
        let name = name.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(Failure::usage("a product is a name in letters and digits, as imm"));
        }
        let known = KNOWN.iter().find(|(known, _)| *known == name).map(|(_, version)| *version);
        match version.or(known) {
            Some(version) => Ok(Self { version: version.to_owned(), name }),
            None => {
                let failure = Failure::usage(format!("the API version of {name} is not known"));
                Err(failure.remedy("add --api-version, as the product's documentation has it"))
            }
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Returns whether the table of operations is about this version.
    pub(super) fn is_known(&self) -> bool {
        KNOWN.contains(&(self.name.as_str(), self.version.as_str()))
    }

    pub(super) fn endpoint(&self, chain: &DefaultCredentialChain, given: Option<&str>) -> Result<String, Failure> {
        if let Some(endpoint) = given.map(str::to_owned).or_else(|| world::variable(ENDPOINT)) {
            return Ok(endpoint);
        }
        if self.name == "sts" {
            return Ok(chain.sts_endpoint()?);
        }
        match chain.region() {
            Some(region) => Ok(format!("{}.{region}.aliyuncs.com", self.name)),
            None => {
                let failure = Failure::usage(format!("the region to call {} in is not known", self.name));
                Err(failure.remedy("add --region cn-hangzhou, set ALIBABA_CLOUD_REGION_ID, or add --endpoint"))
            }
        }
    }
}
