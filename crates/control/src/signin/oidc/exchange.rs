//! The way back: the code becomes tokens, the tokens become claims, and nothing of them is believed unchecked.

use madang_public_api::signature::hex;
use openidconnect::{
    AccessTokenHash, AuthorizationCode, Nonce, OAuth2TokenResponse as _, PkceCodeVerifier, TokenResponse as _,
    UserInfoClaims, core::CoreGenderClaim,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    Claimed, Flow, Provider, ProviderError,
    client::{AllClaims, Answer, Known, chain},
};

/// Groups that are read of one user.
const GROUPS_MAX: usize = 1_000;

impl Provider {
    /// Ends a sign-in with what the browser brought back.
    pub async fn end(
        &self,
        redirect: String,
        flow: &Flow,
        state: &str,
        code: String,
    ) -> Result<Claimed, ProviderError> {
        // Compared by digests, which have the same length whatever was sent.
        let digest = |text: &str| hex(&Sha256::digest(text.as_bytes()));
        if !bool::from(digest(state).as_bytes().ct_eq(digest(&flow.state).as_bytes())) {
            return Err(ProviderError::Refused("the state is not the one this browser was given".into()));
        }
        let client = self.client(redirect).await?;
        let exchange = client.exchange_code(AuthorizationCode::new(code));
        let exchange = exchange.map_err(|error| ProviderError::Provider(error.to_string()))?;
        let answer = exchange
            .set_pkce_verifier(PkceCodeVerifier::new(flow.verifier.clone()))
            .request_async(&self.http)
            .await
            .map_err(|error| ProviderError::Refused(chain(&error)))?;
        self.claims(&client, &answer, &flow.nonce).await
    }

    /// The ID token must be signed by the provider, for us, now, and for this very sign-in.
    async fn claims(&self, client: &Known, answer: &Answer, nonce: &str) -> Result<Claimed, ProviderError> {
        let untrusted = |why: String| ProviderError::Untrusted(why);
        let token = answer.id_token().ok_or_else(|| untrusted("there is no ID token".into()))?;
        let verifier = client.id_token_verifier();
        let nonce = Nonce::new(nonce.to_owned());
        let claims = token.claims(&verifier, &nonce).map_err(|error| untrusted(chain(&error)))?;
        if let Some(expected) = claims.access_token_hash() {
            let key = token.signing_key(&verifier).map_err(|error| untrusted(chain(&error)))?;
            let algorithm = token.signing_alg().map_err(|error| untrusted(chain(&error)))?;
            let actual = AccessTokenHash::from_token(answer.access_token(), algorithm, key);
            if actual.map_err(|error| untrusted(chain(&error)))? != *expected {
                return Err(untrusted("the access token is not the ID token's".into()));
            }
        }
        let mut all = claims.additional_claims().0.clone();
        let mut claimed = Claimed {
            issuer: claims.issuer().to_string(),
            subject: claims.subject().to_string(),
            name: claims.preferred_username().map(|name| name.to_string()),
            email: claims.email().map(|email| email.to_string()),
            groups: Vec::new(),
        };
        if (!all.contains_key(&self.config.groups_claim) || claimed.name.is_none()) && client.user_info_url().is_some()
        {
            self.ask_more(client, answer, &mut claimed, &mut all).await?;
        }
        claimed.groups = groups(all.get(&self.config.groups_claim));
        Ok(claimed)
    }

    /// Many providers say the rest only when asked; the answer must be about the same subject.
    async fn ask_more(
        &self,
        client: &Known,
        answer: &Answer,
        claimed: &mut Claimed,
        all: &mut serde_json::Map<String, Value>,
    ) -> Result<(), ProviderError> {
        let subject = openidconnect::SubjectIdentifier::new(claimed.subject.clone());
        let request = client.user_info(answer.access_token().clone(), Some(subject));
        let request = request.map_err(|error| ProviderError::Provider(error.to_string()))?;
        let more: UserInfoClaims<AllClaims, CoreGenderClaim> =
            request.request_async(&self.http).await.map_err(|error| ProviderError::Untrusted(chain(&error)))?;
        claimed.name = claimed.name.take().or_else(|| more.preferred_username().map(|name| name.to_string()));
        claimed.email = claimed.email.take().or_else(|| more.email().map(|email| email.to_string()));
        for (name, value) in &more.additional_claims().0 {
            all.entry(name).or_insert_with(|| value.clone());
        }
        Ok(())
    }
}

/// A list of texts, or one text.
fn groups(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::Array(items)) => {
            items.iter().take(GROUPS_MAX).filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(Value::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn groups_are_texts() {
        assert_eq!(groups(Some(&json!(["a", 1, "b", null]))), ["a", "b"]);
        assert_eq!(groups(Some(&json!("a"))), ["a"]);
        assert_eq!(groups(Some(&json!({"a": 1}))), Vec::<String>::new());
        assert_eq!(groups(None), Vec::<String>::new());
    }
}
