//! One way for all clouds to put our identity into a request.

use net::Request;

use crate::{Error, aws, azure, google};

/// Signs requests, or adds a token to them.
pub enum Signer {
    /// Amazon's Signature Version 4 for a service of this name.
    Aws(Box<aws::Provider>, String),
    /// A token of Microsoft's.
    Azure(azure::Provider),
    /// A token of Google's.
    Google(google::Provider),
}

impl Signer {
    /// Makes a request one of ours. To be done again when it is sent again: signatures grow old.
    pub async fn sign(&self, request: &mut Request) -> Result<(), Error> {
        let token = match self {
            Signer::Aws(provider, service) => return provider.sign(request, service).await,
            Signer::Azure(provider) => provider.token().await?,
            Signer::Google(provider) => provider.token().await?,
        };
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
        request.headers.push(("authorization".into(), format!("Bearer {token}")));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use config::HttpClientConfig;
    use serde_json::json;
    use testkit::http::{Reply, Server};

    use super::*;
    use crate::Surroundings;

    fn header(request: &Request, name: &str) -> String {
        let of_name = request.headers.iter().filter(|(known, _)| known == name);
        of_name.map(|(_, value)| value.clone()).collect::<Vec<_>>().join(" and ")
    }

    #[tokio::test]
    async fn each_cloud_gets_what_it_asks_for() {
        let server = Server::start(|_| Reply::json(&json!({"access_token": "t", "expires_in": 3600}))).await;
        let here = || Surroundings::made_up(&[], &server.url());
        let settings = aws::Settings {
            access_key: "key".into(),
            secret_key: "secret".into(),
            region: "eu-west-1".into(),
            ..aws::Settings::default()
        };
        let amazon = Signer::Aws(Box::new(aws::Provider::new(settings, here()).unwrap()), "aps".into());
        let cloud = azure::Cloud::by_name("").unwrap();
        let machine = azure::Identity::Managed { client_id: String::new() };
        let azure = azure::Provider::new(cloud, machine, &HttpClientConfig::default(), here()).unwrap();
        let google = google::Provider::new("scope", here()).unwrap();
        for (signer, expected) in [
            (amazon, "AWS4-HMAC-SHA256 Credential=key/"),
            (Signer::Azure(azure), "Bearer t"),
            (Signer::Google(google), "Bearer t"),
        ] {
            let mut request = Request::post("http://a/api/v1/write", "application/x-protobuf", "x");
            signer.sign(&mut request).await.unwrap();
            // Again, as for a second try: there is one of it.
            signer.sign(&mut request).await.unwrap();
            let found = header(&request, "authorization");
            assert!(found.starts_with(expected) && !found.contains(" and "), "{found}");
        }
    }

    #[tokio::test]
    async fn a_file_of_credentials_goes_before_those_of_the_machine() {
        let missing = Some("/nowhere/credentials.json".into());
        let here = Surroundings::made_up(&[], "http://127.0.0.1:1");
        let signer = Signer::Google(google::Provider::new("scope", here).unwrap().with_file(missing));
        let mut request = Request::post("http://a/", "text/plain", "x");
        let error = signer.sign(&mut request).await.unwrap_err().to_string();
        assert!(error.contains("/nowhere/credentials.json"), "{error}");
    }
}
