//! Root file systems that slots are made from, and what of the languages each of them lacks.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use madang_image::{ImageCatalog, ImageEntry, ImageError, root::has_file};
use madang_languages::Recipe;
use madang_model::RootPlan;
use madang_node_api::ImageSeen;

/// An image as this node can use it.
#[derive(Debug, Clone)]
pub struct Template {
    pub plan: RootPlan,
    /// Why a language cannot run in it, by language; those that are not here can.
    pub missing: BTreeMap<String, String>,
}

impl Template {
    /// Looks into the layers of an image for what each language requires. Blocking.
    pub fn look(plan: RootPlan, recipes: &BTreeMap<String, Arc<Recipe>>) -> Self {
        let lacks = |recipe: &Recipe| recipe.requires.iter().find(|path| !has_file(&plan, path)).cloned();
        let missing = recipes.values().filter_map(|recipe| {
            let path = lacks(recipe)?;
            Some((recipe.id.clone(), format!("the image has no {path}")))
        });
        Self { missing: missing.collect(), plan }
    }

    /// Languages that can run in it.
    pub fn languages(&self, recipes: &BTreeMap<String, Arc<Recipe>>) -> Vec<String> {
        recipes.keys().filter(|id| !self.missing.contains_key(*id)).cloned().collect()
    }
}

/// The images that were imported or pulled. Blocking.
pub fn stored_images(
    directory: &Path,
    recipes: &BTreeMap<String, Arc<Recipe>>,
    host: &RootPlan,
) -> Result<Vec<ImageSeen>, ImageError> {
    let catalog = ImageCatalog::of(directory);
    let seen = |image: ImageEntry| match catalog.resolve_over(&image.name, host) {
        Ok(plan) => Some(Ok(ImageSeen {
            languages: Template::look(plan, recipes).languages(recipes),
            name: image.name,
            digest: Some(image.digest.to_string()),
            size_bytes: image.size_bytes,
        })),
        // It was removed meanwhile, which is no fault of the others.
        Err(_) if catalog.list().is_ok_and(|now| now.iter().all(|one| one.name != image.name)) => None,
        Err(error) => Some(Err(error)),
    };
    catalog.list()?.into_iter().filter_map(seen).collect()
}
