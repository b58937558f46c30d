//! What an owner's file system comes through: many who ask for it first, a machine that lost its power.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Barrier,
};

use madang_ids::{FolderId, UserId};
use madang_model::{FolderOwner, FolderPlace, FolderQuota};
use madang_storage::Roots as _;

use crate::world::{MIB, Top, World, until};

const AT_ONCE: usize = 8;
const OWNERS: usize = 4;
const QUOTA: FolderQuota = FolderQuota { bytes: 64 * MIB, files: 5000 };

impl World {
    fn scope(&self, owner: FolderOwner) -> PathBuf {
        let FolderOwner::User(id) = owner else { panic!("{owner:?}") };
        self.home.path().join("scopes").join(id.to_string())
    }
}

/// What the distribution's own program finds in it.
fn sound(image: &Path) {
    let checked = Command::new("/usr/sbin/e2fsck").arg("-fn").arg(image).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(0), "{said} {}", String::from_utf8_lossy(&checked.stderr));
}

/// A folder of an owner of whom nobody has heard; what is written is the folder's name.
fn first_folder(world: &World, owner: FolderOwner) -> FolderPlace {
    world.volumes().owner_set(owner, QUOTA).unwrap();
    let place = FolderPlace { owner, folder: FolderId::new() };
    world.volumes().make(place).unwrap();
    let top = Top(world.volumes().root(place.folder).unwrap());
    fs::write(top.path("name"), place.folder.to_string()).unwrap();
    fs::write(top.path("much"), vec![7; MIB as usize]).unwrap();
    place
}

fn read_back(world: &World, place: FolderPlace) {
    let top = Top(world.volumes().root(place.folder).unwrap());
    assert_eq!(fs::read_to_string(top.path("name")).unwrap(), place.folder.to_string());
    assert_eq!(fs::read(top.path("much")).unwrap(), vec![7; MIB as usize]);
}

#[test]
fn many_first_folders_of_one_owner_share_one_sound_file_system() {
    let mut world = World::new();
    for _ in 0..OWNERS {
        let owner = FolderOwner::User(UserId::new());
        let together = Barrier::new(AT_ONCE);
        let places: Vec<FolderPlace> = std::thread::scope(|scope| {
            let makes = || {
                together.wait();
                first_folder(&world, owner)
            };
            let making: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(makes)).collect();
            making.into_iter().map(|made| made.join().unwrap()).collect()
        });
        world.volumes = None;
        until("the image is let go", || world.devices().is_empty());
        let names: Vec<_> = fs::read_dir(world.scope(owner)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        sound(&world.scope(owner).join("image"));
        world.again();
        places.into_iter().for_each(|place| read_back(&world, place));
    }
}

#[test]
fn an_owner_is_not_locked_out_by_what_a_dead_machine_left() {
    let mut world = World::new();
    let owner = FolderOwner::User(UserId::new());
    let place = first_folder(&world, owner);
    world.volumes = None;
    let scope = world.scope(owner);
    fs::write(scope.join("quota.json"), "").unwrap();
    fs::write(scope.join("image.0123.part"), "half").unwrap();
    world.again();
    world.volumes().owner_set(owner, QUOTA).unwrap();
    read_back(&world, place);
    assert_eq!(world.volumes().owner_usage(owner).unwrap().quota, QUOTA);
    assert!(!scope.join("image.0123.part").exists());
}
