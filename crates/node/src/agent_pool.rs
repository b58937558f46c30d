//! Which pool and which template a request falls to.

use std::sync::Arc;

use madang_image::host::HOST_IMAGE;
use madang_languages::Recipe;
use madang_node_api::{LanguageSeen, NodeError, PoolWanted};

use crate::{
    agent::Agent,
    app::Shelf,
    config::AppAhead,
    pool::{PoolKey, Watermarks},
    setup::StartError,
};

/// Slots that control may want waiting in one pool.
const POOL_WANTED_MAX: u32 = 4096;

/// Refuses what could never be taken: an app or a language that is not known, or one of which nothing is kept.
pub(crate) fn check(ahead: &[AppAhead], recipes: &[Recipe], shelf: &Shelf) -> Result<(), StartError> {
    for AppAhead { app, language, .. } in ahead {
        let driver = |id: &String| recipes.iter().any(|recipe| recipe.id == *id && recipe.driver.is_some());
        if shelf.recipe(app).is_err() {
            return Err(StartError::Ahead(format!("there is no app `{app}`")));
        }
        if !shelf.is_worth_keeping(app) {
            return Err(StartError::Ahead(format!("`{app}` is started when it is opened only")));
        }
        if let Some(language) = language.as_ref().filter(|language| !driver(language)) {
            return Err(StartError::Ahead(format!("no interpreter of `{language}` waits in sessions")));
        }
    }
    Ok(())
}

impl Agent {
    pub(crate) fn open_pools(&self) {
        let warm = |seen: &&LanguageSeen| {
            let driver = self.shop.recipes.get(&seen.id).and_then(|recipe| recipe.driver.as_ref());
            seen.unavailable.is_none() && driver.is_some_and(|driver| driver.warm)
        };
        let plain = PoolKey { image: HOST_IMAGE.to_owned(), language: None, app: None };
        self.shop.pools.open(plain, Watermarks { low: 4, high: 16 });
        for seen in self.languages.iter().filter(warm) {
            // Python is what most ask for first; the others show by their misses that they are wanted.
            let low = if seen.id == "python" { 8 } else { 1 };
            let key = PoolKey { image: HOST_IMAGE.to_owned(), language: Some(seen.id.clone()), app: None };
            self.shop.pools.open(key, Watermarks { low, high: 16 });
        }
        self.config.ahead.iter().for_each(|ahead| self.open_ahead(ahead));
    }

    /// Those of an app that an administrator wants kept started.
    fn open_ahead(&self, ahead: &AppAhead) {
        let AppAhead { app, language, slots } = ahead.clone();
        let lacks_language = |id: &String| self.languages.iter().find(|seen| seen.id == *id)?.unavailable.clone();
        let lacks = self.shop.shelf.lacks(&app).map(str::to_owned);
        match lacks.or_else(|| language.as_ref().and_then(lacks_language)) {
            Some(why) => tracing::error!(app, why, "it is to be kept started and cannot be"),
            None => {
                let key = PoolKey { image: HOST_IMAGE.to_owned(), language, app: Some(app) };
                self.shop.pools.open(key, Watermarks { low: slots, high: slots });
            }
        }
    }

    /// The recipe of a language, if the template called `key` has what it needs.
    pub(crate) fn recipe(&self, key: &str, language: Option<&String>) -> Result<Option<Arc<Recipe>>, NodeError> {
        let Some(id) = language else { return Ok(None) };
        let recipe =
            self.shop.recipes.get(id).ok_or_else(|| NodeError::Invalid(format!("there is no language `{id}` here")))?;
        match self.shop.templates().get(key).and_then(|template| template.missing.get(id)) {
            Some(why) => Err(NodeError::Invalid(format!("{} is not available here: {why}", recipe.name))),
            None => Ok(Some(Arc::clone(recipe))),
        }
    }

    /// The pool whose slots serve `spec`; its interpreter is waited for only if it will be used.
    pub(crate) fn pool_for(image: String, recipe: Option<&Arc<Recipe>>, uses_driver: bool) -> PoolKey {
        let language = recipe.filter(|recipe| uses_driver && recipe.driver.is_some()).map(|recipe| recipe.id.clone());
        PoolKey { image, language, app: None }
    }

    /// The key of the template that `image` stands for now; made if it is new.
    pub(crate) async fn template(&self, image: &str) -> Result<String, NodeError> {
        if image == HOST_IMAGE {
            return Ok(image.to_owned());
        }
        let (key, template) = self.image_plan(image).await?;
        if !self.shop.templates().contains_key(&key) {
            let made = self.shop.maker.make_template(key.clone(), template.plan.clone()).await;
            made.map_err(|error| NodeError::Unavailable(format!("image `{image}`: {error}")))?;
            self.shop.templates().insert(key.clone(), template);
        }
        Ok(key)
    }

    pub(crate) async fn want_pool(&self, wanted: PoolWanted) -> Result<(), NodeError> {
        if wanted.slots > POOL_WANTED_MAX {
            return Err(NodeError::Capacity(format!("a pool keeps {POOL_WANTED_MAX} slots at most")));
        }
        let key = self.template(&wanted.image).await?;
        let recipe = self.recipe(&key, wanted.language.as_ref())?;
        let key = Self::pool_for(key, recipe.as_ref(), true);
        self.shop.pools.want(key, wanted.slots as usize);
        Ok(())
    }
}
