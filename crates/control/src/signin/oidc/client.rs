//! One provider: found out about when it is first needed, and again now and then.

use std::time::{Duration, Instant};

use openidconnect::{
    AdditionalClaims, AuthenticationFlow, Client, ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields, IssuerUrl, Nonce, PkceCodeChallenge, RedirectUrl,
    Scope, StandardErrorResponse, StandardTokenResponse,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
        CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreResponseType,
        CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
    },
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{FLOW_SECONDS, Flow, ProviderConfig, ProviderError, http::Http};
use crate::clock::now_ms;

/// What was found out is good for this long: providers change their keys.
const FRESH: Duration = Duration::from_secs(300);

/// Claims beyond those that every provider has: whatever it says.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct AllClaims(pub serde_json::Map<String, serde_json::Value>);
impl AdditionalClaims for AllClaims {}

type Fields = IdTokenFields<
    AllClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
pub(super) type Answer = StandardTokenResponse<Fields, CoreTokenType>;
pub(super) type Known = Client<
    AllClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Answer,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// A provider and what is known of it.
#[derive(Debug)]
pub(crate) struct Provider {
    pub config: ProviderConfig,
    pub(super) http: Http,
    /// One asks, the others wait for its answer.
    found: Mutex<Option<(Instant, CoreProviderMetadata)>>,
}

impl Provider {
    /// Asks nobody yet, so that a server starts without its providers.
    pub fn new(config: ProviderConfig) -> Result<Self, ProviderError> {
        let http = Http::new().map_err(|error| ProviderError::Provider(chain(&error)))?;
        Ok(Self { config, http, found: Mutex::default() })
    }

    /// Where to send a browser, and what it has to bring back.
    pub async fn begin(&self, redirect: String) -> Result<(String, Flow), ProviderError> {
        let client = self.client(redirect).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let code = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let scopes = self.config.scopes.iter().cloned().map(Scope::new);
        let (url, state, nonce) = client
            .authorize_url(code, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(scopes)
            .set_pkce_challenge(challenge)
            .url();
        let flow = Flow {
            provider: self.config.name.clone(),
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
            expires_ms: now_ms() + FLOW_SECONDS * 1_000,
        };
        Ok((url.into(), flow))
    }

    /// The client that speaks to it, with our `redirect`.
    pub(super) async fn client(&self, redirect: String) -> Result<Known, ProviderError> {
        let redirect = RedirectUrl::new(redirect).map_err(|error| ProviderError::Provider(error.to_string()))?;
        let secret = self.config.client_secret.clone().map(ClientSecret::new);
        let id = ClientId::new(self.config.client_id.clone());
        Ok(Known::from_provider_metadata(self.metadata().await?, id, secret).set_redirect_uri(redirect))
    }

    async fn metadata(&self) -> Result<CoreProviderMetadata, ProviderError> {
        let mut found = self.found.lock().await;
        if let Some((at, metadata)) = &*found
            && at.elapsed() < FRESH
        {
            return Ok(metadata.clone());
        }
        let issuer =
            IssuerUrl::new(self.config.issuer.clone()).map_err(|error| ProviderError::Provider(error.to_string()))?;
        let metadata = CoreProviderMetadata::discover_async(issuer, &self.http).await;
        let metadata = metadata.map_err(|error| ProviderError::Provider(chain(&error)))?;
        *found = Some((Instant::now(), metadata.clone()));
        Ok(metadata)
    }
}

/// An error with everything behind it.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
