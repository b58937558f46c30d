//! Language servers: ordinary programs of a session, held by their standard streams. They serve whoever writes there and are no work of
//! theirs: no run, no output that is kept, and no reason to call the session used.

use std::collections::BTreeMap;

use madang_node_api::{ExecHandle, ExecSpec};
use tokio::sync::OwnedSemaphorePermit;

use super::{App, Failure, live_session::LiveSession};

/// Where a language server keeps what it finds out; its owner's directory is no place for that.
const ENV: [(&str, &str); 2] = [("XDG_CACHE_HOME", "/tmp/.cache"), ("XDG_CONFIG_HOME", "/tmp/.config")];

/// A language server that runs. Dropping it hangs up.
pub(crate) struct LanguageService {
    pub program: ExecHandle,
    _place: OwnedSemaphorePermit,
}

impl App {
    /// Starts the language server that the recipe of `language` names, in one of the session's sandboxes.
    pub async fn language_service_start(
        &self,
        session: &LiveSession,
        sandbox: Option<&str>,
        language: &str,
    ) -> Result<LanguageService, Failure> {
        let sandbox = session.sandbox(sandbox)?;
        let table = self.languages.table(&*self.node);
        let known = table.get(language).and_then(|language| language.service.clone());
        let service = known.ok_or_else(|| Failure::not_found(format!("a language server of {language:?}")))?;
        let place = session.service_place()?;
        let mut env: BTreeMap<String, String> = ENV.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        env.extend(service.env);
        let spec = ExecSpec { argv: service.argv, env, terminal: None, aside: true };
        Ok(LanguageService { program: self.node.exec_start(sandbox, spec).await?, _place: place })
    }
}
