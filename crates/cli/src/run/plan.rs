//! From files on this machine to a request.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use madang_client::Client;
use madang_model::{Blob, File};
use madang_public_api::{
    LanguageView, OneShotRequest,
    bounds::{FILES_MAX, JSON_BODY_BYTES_MAX},
};

use crate::{args::RunArgs, exit::Failure, stdin};

/// What `args` ask for, but for standard input.
pub async fn request(client: &Client, args: &RunArgs) -> Result<OneShotRequest, Failure> {
    let mut request = OneShotRequest {
        language: args.lang.clone(),
        image: args.image.clone(),
        args: args.args.clone(),
        limits: args.limits.asked(),
        network: args.network.asked(),
        ..OneShotRequest::default()
    };
    if args.files.iter().any(|file| file.as_os_str() == "-") {
        request.code = Some(code_from_stdin(args)?);
        return Ok(request);
    }
    request.files = files(&args.files)?;
    if request.files.is_empty() {
        let folders: Vec<_> = args.files.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::usage(format!("there is no file in {}", folders.join(", "))));
    }
    if request.language.is_none() {
        request.language = Some(language(&client.languages().await?, &request.files)?);
    }
    Ok(request)
}

fn code_from_stdin(args: &RunArgs) -> Result<String, Failure> {
    if args.files.len() > 1 {
        return Err(Failure::usage("`-` stands alone: a program from standard input is one file"));
    }
    if args.lang.is_none() {
        return Err(Failure::usage("a program from standard input needs --lang"));
    }
    String::from_utf8(stdin::all()?).map_err(|_| Failure::usage("the program on standard input is not UTF-8"))
}

/// The language of the first file that has one's extension. A Makefile alone says nothing of a language; its sources do.
fn language(languages: &[LanguageView], files: &[File]) -> Result<String, Failure> {
    let of = |file: &File| {
        let extension = Path::new(&file.path).extension()?.to_str()?;
        languages.iter().find(|language| language.extensions.iter().any(|known| known == extension))
    };
    match files.iter().find_map(of) {
        Some(language) => Ok(language.id.clone()),
        None => {
            let path = files.first().map_or("", |file| &file.path);
            Err(Failure::usage(format!(
                "the name of {path} tells no language; say it with --lang (see madang lang ls)"
            )))
        }
    }
}

/// Every file, those of directories too, with the path it will have in the sandbox.
fn files(paths: &[PathBuf]) -> Result<Vec<File>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let seen = fs::metadata(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        match seen.is_dir() {
            true => below(path, path, &mut files)?,
            false => add(path, &guest_path(path), &mut files)?,
        }
    }
    let bytes: usize = files.iter().map(|file| file.content.0.len()).sum();
    if bytes > JSON_BODY_BYTES_MAX {
        return Err(Failure::usage(format!("the files are {bytes} bytes together, at most {JSON_BODY_BYTES_MAX}")));
    }
    Ok(files)
}

/// Every regular file below `folder`, in the order of their names; hidden ones and links are left out.
fn below(top: &Path, folder: &Path, files: &mut Vec<File>) -> Result<(), Failure> {
    let fail = |error| Failure::usage(format!("{}: {error}", folder.display()));
    let mut entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(fail)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().map_err(fail)?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if kind.is_dir() {
            below(top, &path, files)?;
        } else if kind.is_file() {
            add(&path, path.strip_prefix(top).unwrap_or(&path), files)?;
        }
    }
    Ok(())
}

fn add(path: &Path, guest: &Path, files: &mut Vec<File>) -> Result<(), Failure> {
    if files.len() == FILES_MAX {
        return Err(Failure::usage(format!("more than {FILES_MAX} files; put them in a session with madang cp")));
    }
    let guest = guest.to_str().ok_or_else(|| Failure::usage(format!("{}: the name is not UTF-8", path.display())))?;
    if files.iter().any(|file| file.path == guest) {
        return Err(Failure::usage(format!("two files would be called {guest} in the sandbox")));
    }
    files.push(File { path: guest.to_owned(), content: Blob(stdin::file(path)?) });
    Ok(())
}

/// A relative path that stays below the working directory is kept; of others, the name.
fn guest_path(path: &Path) -> PathBuf {
    let inside = path.components().all(|piece| matches!(piece, Component::Normal(_) | Component::CurDir));
    match (inside, path.file_name()) {
        (false, Some(name)) => name.into(),
        _ => path.components().filter(|piece| matches!(piece, Component::Normal(_))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_the_sandbox() {
        assert_eq!(guest_path(Path::new("./src/a.py")), Path::new("src/a.py"));
        assert_eq!(guest_path(Path::new("../b.py")), Path::new("b.py"));
        assert_eq!(guest_path(Path::new("/tmp/c.py")), Path::new("c.py"));
    }

    #[test]
    fn a_directory_brings_its_files_but_no_hidden_ones_and_no_links() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::create_dir(folder.path().join(".git")).unwrap();
        for name in ["Makefile", "sub/a.c", ".git/config", ".env"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        let files = files(&[folder.path().to_owned()]).unwrap();
        let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["Makefile", "sub/a.c"]);
    }

    #[test]
    fn two_files_of_one_name_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("x")).unwrap();
        fs::write(folder.path().join("a.py"), "").unwrap();
        fs::write(folder.path().join("x/a.py"), "").unwrap();
        let failure = files(&[folder.path().join("a.py"), folder.path().join("x/a.py")]).unwrap_err();
        assert!(failure.line.contains("a.py"), "{failure:?}");
    }
}
