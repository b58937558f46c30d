//! What a batch does: pure, from the recipe, the files and what was asked.

use madang_model::Steps;

use crate::recipe::{Mode, Recipe};

/// Names that `make` itself would take, in its order.
const MAKEFILES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// A batch, settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchPlan {
    /// The main file, `$MAIN` of every step.
    pub main: String,
    /// The commands; a step that is `None` is left out.
    pub steps: Steps,
    /// The exec step is exactly what the driver's `script` request does with `main`, so a waiting interpreter may do it.
    pub script: bool,
}

/// The batch of `recipe` over `files` (paths relative to `/home/work`). What was asked wins over a Makefile, a Makefile over
/// the recipe; an asked step that is empty is left out. Without `main` it is the recipe's, or else the only source file.
pub fn plan_batch(recipe: &Recipe, files: &[&str], asked: &Steps, main: Option<&str>) -> BatchPlan {
    let makefile = files.iter().any(|file| MAKEFILES.contains(file));
    let usual = if makefile { steps_of_make() } else { steps_of(recipe) };
    let script = !makefile && asked.exec.is_none() && recipe.batch.build.is_none() && recipe.answers(Mode::Script);
    let settle = |asked: &Option<String>, usual: Option<String>| match asked {
        Some(command) => Some(command.clone()).filter(|command| !command.trim().is_empty()),
        None => usual,
    };
    BatchPlan {
        main: main_file(recipe, files, main),
        steps: Steps {
            clean: settle(&asked.clean, usual.clean),
            build: settle(&asked.build, usual.build),
            exec: settle(&asked.exec, usual.exec),
        },
        script: script && asked.build.as_deref().unwrap_or_default().trim().is_empty(),
    }
}

fn steps_of(recipe: &Recipe) -> Steps {
    Steps {
        clean: recipe.batch.clean.clone(),
        build: recipe.batch.build.clone(),
        exec: Some(recipe.batch.exec.clone()),
    }
}

fn steps_of_make() -> Steps {
    Steps {
        // A Makefile need not have the target.
        clean: Some("if make -n clean >/dev/null 2>&1; then make clean; fi".to_owned()),
        build: Some("exec make".to_owned()),
        exec: Some(r#"if [ -x ./main ]; then exec ./main "$@"; fi; exec make -s run"#.to_owned()),
    }
}

fn main_file(recipe: &Recipe, files: &[&str], main: Option<&str>) -> String {
    if let Some(main) = main {
        return main.to_owned();
    }
    let mut sources = files.iter().filter(|file| recipe.owns(file));
    match (files.contains(&recipe.main.as_str()), sources.next(), sources.next()) {
        (false, Some(only), None) => (*only).to_owned(),
        _ => recipe.main.clone(),
    }
}

/// The language of some files by the endings of their names: the one whose main file is there, else the one with most
/// files, else none. Among equals the first file decides.
pub fn language_for<'r>(recipes: &'r [Recipe], files: &[&str]) -> Option<&'r str> {
    let with_main = files.iter().find_map(|file| recipes.iter().find(|recipe| recipe.main == **file));
    let most = || {
        let count = |recipe: &Recipe| files.iter().filter(|file| recipe.owns(file)).count();
        let first = |recipe: &Recipe| files.iter().position(|file| recipe.owns(file));
        let candidates = recipes.iter().filter(|recipe| count(recipe) > 0);
        candidates.min_by_key(|recipe| (std::cmp::Reverse(count(recipe)), first(recipe)))
    };
    with_main.or_else(most).map(|recipe| recipe.id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded;

    fn recipe(id: &str) -> Recipe {
        embedded().unwrap().into_iter().find(|recipe| recipe.id == id).unwrap()
    }

    #[test]
    fn the_recipe_is_the_default() {
        let c = recipe("c");
        let plan = plan_batch(&c, &["main.c", "list.c"], &Steps::default(), None);
        assert_eq!(plan.main, "main.c");
        assert_eq!((plan.steps.build, plan.steps.exec, plan.script), (c.batch.build, Some(c.batch.exec), false));
    }

    #[test]
    fn a_makefile_wins_over_the_recipe_and_the_request_over_it() {
        let asked = Steps { build: Some("make all".to_owned()), clean: Some(String::new()), exec: None };
        let plan = plan_batch(&recipe("python"), &["Makefile", "main.py"], &asked, None);
        assert_eq!((plan.steps.clean, plan.steps.build.as_deref(), plan.script), (None, Some("make all"), false));
        assert!(plan.steps.exec.unwrap().contains("make -s run"));
    }

    #[test]
    fn a_waiting_interpreter_may_run_a_plain_script() {
        let python = recipe("python");
        let plan = |asked: &Steps| plan_batch(&python, &["hello.py"], asked, None);
        assert_eq!((plan(&Steps::default()).main.as_str(), plan(&Steps::default()).script), ("hello.py", true));
        assert!(!plan(&Steps { exec: Some("python3 -O hello.py".to_owned()), ..Steps::default() }).script);
        assert!(!plan(&Steps { build: Some("python3 make.py".to_owned()), ..Steps::default() }).script);
    }

    #[test]
    fn the_language_shows_in_the_files() {
        let recipes = embedded().unwrap();
        assert_eq!(language_for(&recipes, &["notes.txt", "a.py"]), Some("python"));
        assert_eq!(language_for(&recipes, &["a.c", "b.c", "c.rs"]), Some("c"));
        assert_eq!(language_for(&recipes, &["tool.py", "x.py", "Main.java"]), Some("java"));
        assert_eq!(language_for(&recipes, &["README"]), None);
    }

    proptest::proptest! {
        #[test]
        fn a_plan_always_has_something_to_run(files in proptest::collection::vec("[a-zA-Z.]{1,8}", 0..6)) {
            let names: Vec<&str> = files.iter().map(String::as_str).collect();
            for recipe in embedded().unwrap() {
                let plan = plan_batch(&recipe, &names, &Steps::default(), None);
                proptest::prop_assert!(plan.steps.exec.is_some() && !plan.main.is_empty());
                proptest::prop_assert!(plan.main == recipe.main || recipe.owns(&plan.main));
            }
        }
    }
}
