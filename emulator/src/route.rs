//! The product and operation that a request names in its headers or parameters and its host.

use http::Method;

use crate::request::{Parameters, Request};
use crate::response::{ApiError, ApiResult};
use crate::{imm, sts};

/// The region of requests whose host names none, such as loopback addresses.
const DEFAULT_REGION: &str = "cn-hangzhou";

/// The region whose STS knows GenerateSessionAccessKey.
const KEY_PAIR_REGION: &str = "ap-northeast-1";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    Sts,
    Imm,
}

impl Product {
    pub(crate) fn of_version(version: &str) -> Option<Self> {
        match version {
            sts::VERSION => Some(Self::Sts),
            imm::VERSION => Some(Self::Imm),
            _ => None,
        }
    }

    /// Returns the product code, as the metadata repository spells it.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Sts => "Sts",
            Self::Imm => "imm",
        }
    }

    fn actions(self) -> &'static [&'static str] {
        match self {
            Self::Sts => &sts::ACTIONS,
            Self::Imm => &imm::ACTIONS,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) product: Product,
    pub(crate) action: String,
    pub(crate) region: String,
}

impl Route {
    /// Finds the operation in `parameters` if they are given, else in the headers.
    pub(crate) fn find(request: &Request, parameters: Option<&Parameters>) -> ApiResult<Self> {
        let host = Host::parse(&request.header("host").unwrap_or_default());
        if host == Host::OtherProduct {
            return Err(ApiError::new(
                404,
                "InvalidProduct.NotFound",
                "Cannot find product according to your specified domain.",
            ));
        }
        if request.method != Method::GET && request.method != Method::POST {
            return Err(ApiError::new(400, "UnsupportedHTTPMethod", "This http method is not supported."));
        }
        if request.path != "/" {
            return Err(not_found());
        }
        let value = |header: &str, parameter: &str| match parameters {
            Some(parameters) => parameters.get(parameter).map(str::to_owned),
            None => request.header(header).filter(|value| !value.is_empty()),
        };
        let version = value("x-acs-version", "Version").ok_or_else(|| ApiError::missing("Version"))?;
        let action = value("x-acs-action", "Action").ok_or_else(|| ApiError::missing("Action"))?;
        let product = Product::of_version(&version)
            .filter(|product| host.serves(*product))
            .ok_or_else(|| ApiError::invalid("Version"))?;
        if !product.actions().contains(&action.as_str()) {
            return Err(not_found());
        }
        let named = match host {
            Host::Product(_, region) => Some(region),
            _ => None,
        };
        // Key pairs are a feature of the site of Japan alone.
        let has_key_pairs = named.as_deref().is_none_or(|region| region == KEY_PAIR_REGION);
        if product == Product::Sts && action == sts::BY_KEY_PAIR && !has_key_pairs {
            return Err(not_found());
        }
        let region = named.filter(|region| !region.is_empty()).unwrap_or_else(|| DEFAULT_REGION.to_owned());
        Ok(Self { product, action, region })
    }

    /// Returns whether the operation is authenticated by a token and not by a signature.
    pub(crate) fn is_unsigned(&self) -> bool {
        self.product == Product::Sts && [sts::WITH_OIDC, sts::WITH_SAML].contains(&self.action.as_str())
    }

    /// Returns whether the operation is signed with a key pair.
    pub(crate) fn is_by_key_pair(&self) -> bool {
        self.product == Product::Sts && self.action == sts::BY_KEY_PAIR
    }
}

fn not_found() -> ApiError {
    ApiError::new(404, "InvalidAction.NotFound", "Specified api is not found, please check your url and method.")
}

/// The meaning of a Host header. A host under `aliyuncs.com` names a product; others, such as loopback addresses and
/// container names, do not.
#[derive(Debug, PartialEq, Eq)]
enum Host {
    Anything,
    Product(Product, String),
    OtherProduct,
}

impl Host {
    /// Parses a Host header. A scheme before the name is accepted, as the official Python client sends one when it is
    /// configured for plain HTTP.
    fn parse(header: &str) -> Self {
        let host = header.to_ascii_lowercase();
        let host = host.rsplit("//").next().unwrap_or_default();
        let host = host.split([':', '/']).next().unwrap_or_default();
        let Some(name) = host.strip_suffix(".aliyuncs.com") else { return Self::Anything };
        let (product, region) = name.split_once('.').unwrap_or((name, ""));
        match product {
            "sts" | "sts-vpc" => Self::Product(Product::Sts, region.to_owned()),
            // IMM has no global endpoint.
            "imm" | "imm-vpc" if !region.is_empty() => Self::Product(Product::Imm, region.to_owned()),
            _ => Self::OtherProduct,
        }
    }

    fn serves(&self, product: Product) -> bool {
        match self {
            Self::Anything => true,
            Self::Product(named, _) => *named == product,
            Self::OtherProduct => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_name_products_and_regions() {
        let product = |product, region: &str| Host::Product(product, region.to_owned());
        for (header, expected) in [
            ("127.0.0.1:38471", Host::Anything),
            ("http://127.0.0.1:38471", Host::Anything),
            ("[::1]:80", Host::Anything),
            ("", Host::Anything),
            ("sts.aliyuncs.com", product(Product::Sts, "")),
            ("sts-vpc.cn-beijing.aliyuncs.com", product(Product::Sts, "cn-beijing")),
            ("IMM.cn-shanghai.aliyuncs.com:443", product(Product::Imm, "cn-shanghai")),
            ("imm.aliyuncs.com", Host::OtherProduct),
            ("ecs.aliyuncs.com", Host::OtherProduct),
        ] {
            assert_eq!(Host::parse(header), expected, "{header}");
        }
    }
}
