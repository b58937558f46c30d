//! The apps that this machine knows.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use madang_languages::AppRecipe;
use madang_model::Limits;
use madang_node_api::{AppOffered, NodeError, PORT_APP, limits_beside};

/// Recipes, and what this machine lacks for them.
#[derive(Debug, Default)]
pub struct Shelf {
    recipes: BTreeMap<String, Arc<AppRecipe>>,
    /// Why an app cannot be started here, by name.
    missing: BTreeMap<String, String>,
}

impl Shelf {
    /// Looks at `root` for what each recipe requires. Blocking.
    pub fn look(recipes: Vec<AppRecipe>, root: &Path) -> Self {
        let missing = recipes.iter().filter_map(|recipe| Some((recipe.name.clone(), recipe.lacks_in(root)?))).collect();
        Self { recipes: recipes.into_iter().map(|recipe| (recipe.name.clone(), Arc::new(recipe))).collect(), missing }
    }

    /// The recipe of an app, whether it can be started on this machine or not.
    pub fn recipe(&self, name: &str) -> Result<&Arc<AppRecipe>, NodeError> {
        self.recipes.get(name).ok_or_else(|| NodeError::Invalid(format!("there is no app `{name}`")))
    }

    /// Why the machine's own software cannot start it; none where it can.
    pub fn lacks(&self, name: &str) -> Option<&str> {
        self.missing.get(name).map(String::as_str)
    }

    /// Whether it may be kept started: it can be, and it is worth it.
    pub fn is_warm(&self, name: &str) -> bool {
        !self.missing.contains_key(name) && self.is_worth_keeping(name)
    }

    /// Whether its recipe says that it is worth being kept started.
    pub fn is_worth_keeping(&self, name: &str) -> bool {
        self.recipes.get(name).is_some_and(|recipe| recipe.warm)
    }

    /// The bounds of a sandbox that holds the app beside what `limits` are for.
    pub fn beside(&self, name: &str, limits: Limits) -> Limits {
        self.recipes.get(name).map_or(limits, |recipe| limits_beside(recipe.memory_bytes, limits))
    }

    /// All of them, for whoever may ask for one.
    pub fn offered(&self) -> Vec<AppOffered> {
        let offered = |recipe: &Arc<AppRecipe>| AppOffered {
            name: recipe.name.clone(),
            title: recipe.title.clone(),
            protocol: recipe.protocol,
            memory_bytes: recipe.memory_bytes,
            unavailable: self.missing.get(&recipe.name).cloned(),
        };
        let port = AppOffered {
            name: PORT_APP.to_owned(),
            title: "A port".to_owned(),
            protocol: Default::default(),
            memory_bytes: 0,
            unavailable: None,
        };
        self.recipes.values().map(offered).chain([port]).collect()
    }
}
