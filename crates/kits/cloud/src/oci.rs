//! Oracle Cloud Infrastructure: signatures of requests with an API key.
//! <https://docs.oracle.com/en-us/iaas/Content/API/Concepts/signingrequests.htm>

use net::Request;
use net::client::base64;

use crate::Error;
use crate::encoding::utc;
use crate::rsa::{Digest, Key};

/// A user's API key.
pub struct Signer {
    key_id: String,
    key: Key,
}

impl Signer {
    /// The key of a user, as PEM.
    pub fn new(tenancy: &str, user: &str, fingerprint: &str, key_pem: &str) -> Result<Signer, Error> {
        Ok(Signer { key_id: format!("{tenancy}/{user}/{fingerprint}"), key: Key::from_pem(key_pem)? })
    }

    /// Signs a request without a body: its headers `date` and `authorization` are set.
    pub fn sign(&self, request: &mut Request, now_ms: i64) -> Result<(), Error> {
        let date = utc(now_ms, "%a, %d %b %Y %H:%M:%S GMT");
        let rest = request.url.split_once("://").map_or(request.url.as_str(), |(_, rest)| rest);
        let (host, target) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let method = request.method.as_str().to_ascii_lowercase();
        let text = format!("date: {date}\n(request-target): {method} {target}\nhost: {host}");
        let signature = base64(&self.key.sign(Digest::Sha256, text.as_bytes())?);
        let authorization = format!(
            "Signature version=\"1\",headers=\"date (request-target) host\",keyId=\"{}\",algorithm=\"rsa-sha256\",\
             signature=\"{signature}\"",
            self.key_id
        );
        request.headers.push(("date".into(), date));
        request.headers.push(("authorization".into(), authorization));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rsa::tests::KEY;

    #[test]
    fn the_date_the_target_and_the_host_are_signed() {
        let signer = Signer::new("t", "u", "f", KEY).unwrap();
        let mut request =
            Request::get("https://iaas.us-phoenix-1.oraclecloud.com/20160918/instances?limit=1");
        signer.sign(&mut request, 1_388_916_000_000).unwrap();
        assert_eq!(request.headers[0], ("date".to_string(), "Sun, 05 Jan 2014 10:00:00 GMT".to_string()));
        let text = &request.headers[1].1;
        assert!(
            text.starts_with(
                "Signature version=\"1\",headers=\"date (request-target) host\",keyId=\"t/u/f\""
            )
        );
    }
}
