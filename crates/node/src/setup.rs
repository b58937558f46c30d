//! Starting a node: everything that is made before there is anything to serve.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, AtomicU32, AtomicUsize},
    },
};

use madang_image::host::{HOST_IMAGE, HostNeeds, root_plan};
use madang_languages::{Availability, Recipe};
use madang_node_api::{LanguageSeen, ServiceSeen};
use madang_sandbox::{Cgroups, SpawnerError};
use madang_storage::Volumes;
use tokio::sync::broadcast;

use crate::{
    agent::{Agent, WATCH_MAX},
    agent_pool,
    app::Shelf,
    config::{AgentConfig, FoldersConfig},
    device::Devices,
    drift::Drift,
    image::Images,
    ledger::Ledger,
    maker::{Maker, MakerConfig},
    metering::Spool,
    network::NodeNetwork,
    pool::Pools,
    recover,
    retire::{Grounds, Retirement},
    run::KeptRuns,
    shop::Shop,
    template::Template,
};

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot prepare {path}: {source}")]
    Home { path: String, source: io::Error },
    #[error("another server uses {0}")]
    InUse(String),
    #[error("the recipes of this binary are broken: {0}")]
    Recipes(String),
    #[error("apps are kept started ahead that cannot be: {0}")]
    Ahead(String),
    #[error("cannot make the host image: {0}")]
    Host(#[from] madang_image::host::HostError),
    #[error("cannot use this machine's isolation: {0}")]
    Spawner(#[from] SpawnerError),
    #[error("cannot compile the system call filter: {0}")]
    Seccomp(#[from] madang_sandbox::seccomp::SeccompError),
    #[error(transparent)]
    SelfTest(#[from] crate::self_test::SelfTestError),
    #[error(
        "there are folders in {0} already, which nobody would find with `[folders]` elsewhere: leave the section out, or download and purge them first"
    )]
    FoldersLeft(String),
    #[error("cannot use the place for folders: {0}")]
    Folders(#[from] madang_storage::StorageError),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What is made before there is anything to serve; all of it blocks.
pub(crate) struct Setup {
    config: AgentConfig,
    lock: fs::File,
    slots: PathBuf,
    pub(crate) host: madang_model::RootPlan,
    recipes: Vec<Recipe>,
    availability: Vec<Availability>,
    shelf: Shelf,
    maker: Maker,
    cgroups: Arc<Cgroups>,
    spool: Arc<Spool>,
    looked: recover::Looked,
    devices: Devices,
    network: Arc<NodeNetwork>,
    volumes: Arc<Volumes>,
}

impl Setup {
    pub(crate) fn make(config: AgentConfig) -> Result<Self, StartError> {
        let home = |source| StartError::Home { path: config.home.display().to_string(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(config.home.join("slots")).map_err(home)?;
        // Mounts need a path without links and dots.
        let config = AgentConfig { home: config.home.canonicalize().map_err(home)?, ..config };
        let lock = lock(&config)?;
        let slots = config.home.join("slots");
        let recipes = madang_languages::embedded().map_err(|error| StartError::Recipes(error.to_string()))?;
        let apps = madang_languages::embedded_apps().map_err(|error| StartError::Recipes(error.to_string()))?;
        let app_paths = apps.iter().flat_map(|app| &app.paths);
        let app_etc = apps.iter().flat_map(|app| &app.etc);
        let needs = HostNeeds {
            paths: recipes.iter().flat_map(|recipe| &recipe.paths).chain(app_paths).map(PathBuf::from).collect(),
            etc: recipes.iter().flat_map(|recipe| &recipe.etc).chain(app_etc).cloned().collect(),
        };
        let host = root_plan(&config.home, &needs)?;
        let availability = madang_languages::check_all(&recipes, "/".as_ref());
        let shelf = Shelf::look(apps, "/".as_ref());
        agent_pool::check(&config.ahead, &recipes, &shelf)?;
        let cgroups = Arc::new(Cgroups::open(&config.instance())?);
        let spool = Arc::new(Spool::open(config.home.join("readings"))?);
        let devices = Devices::look(&config.devices, &config.home)?;
        let looked = recover::look(&slots, &cgroups, &spool)?;
        let network = Arc::new(NodeNetwork::open(&config, &looked.found));
        if config.folders != FoldersConfig::Home {
            refuse_folders_left(&config.home)?;
        }
        let volumes = match &config.folders {
            FoldersConfig::Home => Volumes::open(&config.home.join("folders")),
            FoldersConfig::At(path) => Volumes::open(path),
            FoldersConfig::Shared(path, sharing) => Volumes::open_shared(path, *sharing),
        }?;
        let maker = Maker::start(MakerConfig {
            program: config.program.clone(),
            instance: config.instance(),
            slots: slots.clone(),
            languages: madang_languages::extract_to(&config.home.join("languages"))?,
        })?;
        Ok(Self {
            config,
            lock,
            slots,
            host,
            recipes,
            availability,
            shelf,
            maker,
            cgroups,
            spool,
            looked,
            devices,
            network,
            volumes,
        })
    }

    pub(crate) fn into_agent(self) -> Result<(Arc<Agent>, Vec<recover::Found>), StartError> {
        let rootless = !rustix::process::geteuid().is_root();
        let ledger = Arc::new(Ledger::new(rootless));
        for stuck in &self.looked.stuck {
            ledger.enlist(&stuck.name);
            ledger.claim(stuck.uid_base);
        }
        // Before any slot is made: no two may have the same ids.
        for found in &self.looked.found {
            ledger.enlist(found.slot.name.as_ref());
            ledger.claim(found.claim.uid_base);
        }
        let drift = Arc::new(Drift::default());
        let retirement = Retirement::start(Grounds {
            cgroups: Arc::clone(&self.cgroups),
            directory: self.slots.clone(),
            ledger: Arc::clone(&ledger),
            spool: Arc::clone(&self.spool),
            drift: Arc::clone(&drift),
            network: Arc::clone(&self.network),
        })?;
        self.looked.stuck.into_iter().for_each(|stuck| retirement.retire_stuck(stuck));
        let lacks = |(recipe, seen): (&Recipe, &Availability)| Some((recipe.id.clone(), seen.unavailable.clone()?));
        let missing = self.recipes.iter().zip(&self.availability).filter_map(lacks).collect();
        let languages =
            self.recipes.iter().zip(self.availability).map(|(recipe, seen)| language_seen(recipe, seen)).collect();
        let directory = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        let notes = self.maker.notes.iter().chain(&self.devices.notes).cloned().chain(self.network.note()).collect();
        let shop = Shop {
            maker: self.maker,
            pools: Pools::default(),
            ledger,
            retirement,
            cgroups: self.cgroups,
            drift,
            recipes: self.recipes.into_iter().map(|recipe| (recipe.id.clone(), Arc::new(recipe))).collect(),
            shelf: self.shelf,
            slots: rustix::fs::open(&self.slots, directory, rustix::fs::Mode::empty()).map_err(io::Error::from)?,
            filters: madang_sandbox::seccomp::programs()?,
            processors: std::thread::available_parallelism().map_or(1, |count| count.get() as u32),
            rootless,
            templates: Mutex::new(BTreeMap::from([(HOST_IMAGE.to_owned(), Template { plan: self.host, missing })])),
            making: AtomicUsize::new(0),
            making_apps: AtomicUsize::new(0),
            arrived: tokio::sync::Notify::new(),
            closed: AtomicBool::new(false),
            turn: AtomicU32::new(0),
        };
        let images = Images::of(&self.config.home);
        let agent = Arc::new_cyclic(|me| Agent {
            me: me.clone(),
            config: self.config,
            shop: Arc::new(shop),
            languages,
            devices: self.devices,
            network: self.network,
            volumes: self.volumes,
            folders_served: RwLock::default(),
            images,
            sandboxes: RwLock::default(),
            opening: Default::default(),
            changes: broadcast::channel(WATCH_MAX).0,
            runs: KeptRuns::default(),
            alone: Arc::default(),
            spool: self.spool,
            meters_changed: Arc::default(),
            starts_us: Mutex::default(),
            notes,
            slots: self.slots,
            _lock: self.lock,
        });
        Ok((agent, self.looked.found))
    }
}

/// With another place for folders those in the home would be there and nobody would find them.
fn refuse_folders_left(home: &Path) -> Result<(), StartError> {
    let scopes = home.join("folders/scopes");
    match fs::read_dir(&scopes).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(StartError::FoldersLeft(scopes.display().to_string())),
        _ => Ok(()),
    }
}

/// One server a home.
fn lock(config: &AgentConfig) -> Result<fs::File, StartError> {
    let path = config.home.join("node.lock");
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StartError::InUse(config.home.display().to_string())),
        Err(fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

fn language_seen(recipe: &Recipe, seen: Availability) -> LanguageSeen {
    let mut modes = vec!["batch".to_owned(), "command".to_owned()];
    if recipe.driver.is_some() {
        modes.insert(0, "query".to_owned());
    }
    LanguageSeen {
        id: recipe.id.clone(),
        name: recipe.name.clone(),
        version: seen.version,
        unavailable: seen.unavailable,
        modes,
        extensions: recipe.extensions.clone(),
        main: recipe.main.clone(),
        greeting: recipe.greeting.clone(),
        limits: recipe.limits(),
        service: recipe.service.as_ref().map(|service| ServiceSeen {
            name: service.name.clone(),
            unavailable: seen.service_unavailable,
            argv: service.argv.clone(),
            env: recipe.env.clone().into_iter().chain(service.env.clone()).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_in_the_home_are_not_left_behind() {
        let home = tempfile::tempdir().unwrap();
        refuse_folders_left(home.path()).unwrap();
        fs::create_dir_all(home.path().join("folders/scopes")).unwrap();
        refuse_folders_left(home.path()).unwrap();
        fs::create_dir(home.path().join("folders/scopes/usr_1")).unwrap();
        assert!(matches!(refuse_folders_left(home.path()), Err(StartError::FoldersLeft(_))));
    }
}
