//! Bounds on what clients send, field by field.

use std::collections::BTreeMap;

use madang_model::{Blob, File};
use madang_public_api::{ProblemKind, bounds};

use super::Failure;

type Checked = Result<(), Failure>;

/// `size` against a bound that has a name.
pub(crate) fn at_most(field: &str, size: usize, max: usize, limit: &str) -> Checked {
    if size <= max {
        return Ok(());
    }
    let detail = format!("`{field}` has {size}, at most {max} are allowed ({limit})");
    Err(Failure { limit: Some(limit.into()), field: Some(field.into()), ..Failure::new(ProblemKind::Limit, detail) })
}

/// Text that ends up in a C string: no NUL.
pub(crate) fn c_text(field: &str, text: &str, max: usize, limit: &str) -> Checked {
    at_most(field, text.len(), max, limit)?;
    if text.contains('\0') {
        return Err(Failure::invalid(field, format!("`{field}` must not contain a NUL character")));
    }
    Ok(())
}

/// A path relative to `/home/work`. The node is the one who keeps it there; this only refuses what can never be right.
pub(crate) fn path(field: &str, path: &str) -> Checked {
    c_text(field, path, bounds::PATH_BYTES_MAX, "PATH_BYTES_MAX")?;
    if path.split('/').any(|part| part == "..") || path.starts_with('/') {
        return Err(Failure::invalid(field, format!("`{field}` must be relative to /home/work and stay below it")));
    }
    Ok(())
}

pub(crate) fn files(files: &[File]) -> Checked {
    at_most("files", files.len(), bounds::FILES_MAX, "FILES_MAX")?;
    for (index, file) in files.iter().enumerate() {
        let field = format!("files[{index}].path");
        path(&field, &file.path)?;
        if file.path.is_empty() || file.path.ends_with('/') {
            return Err(Failure::invalid(field, "a file needs a name"));
        }
    }
    Ok(())
}

pub(crate) fn words(field: &str, words: &[String]) -> Checked {
    at_most(field, words.len(), bounds::ARGS_MAX, "ARGS_MAX")?;
    for (index, word) in words.iter().enumerate() {
        c_text(&format!("{field}[{index}]"), word, bounds::ARG_BYTES_MAX, "ARG_BYTES_MAX")?;
    }
    Ok(())
}

pub(crate) fn inputs(inputs: &[Blob]) -> Checked {
    at_most("inputs", inputs.len(), bounds::INPUTS_MAX, "INPUTS_MAX")
}

pub(crate) fn command(field: &str, command: Option<&str>) -> Checked {
    command.map_or(Ok(()), |text| c_text(field, text, bounds::COMMAND_BYTES_MAX, "COMMAND_BYTES_MAX"))
}

pub(crate) fn image(image: Option<&str>) -> Result<String, Failure> {
    let image = image.unwrap_or("host");
    c_text("image", image, bounds::IMAGE_CHARS_MAX, "IMAGE_CHARS_MAX")?;
    if image.is_empty() {
        return Err(Failure::invalid("image", "an image has a name"));
    }
    Ok(image.to_owned())
}

/// A session's name: it also stands in URLs, and must not look like an id.
pub(crate) fn session_name(name: &str) -> Checked {
    at_most("name", name.chars().count(), bounds::NAME_CHARS_MAX, "NAME_CHARS_MAX")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || !name.chars().all(allowed) || name.starts_with("ses_") {
        let detail =
            "a name begins with a letter or digit, goes on with those, `.`, `_` or `-`, and does not begin with `ses_`";
        return Err(Failure::invalid("name", detail));
    }
    Ok(())
}

/// A folder's name: the same, and it may begin with a dot.
pub(crate) fn folder_name(name: &str) -> Checked {
    at_most("name", name.chars().count(), bounds::NAME_CHARS_MAX, "NAME_CHARS_MAX")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let rest = name.strip_prefix('.').unwrap_or(name);
    let begins = rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || !rest.chars().all(allowed) || name.starts_with("fld_") {
        let detail = "a folder's name begins with a letter or digit, perhaps after one dot, goes on with those, `.`, `_` or `-`, and does not \
            begin with `fld_`";
        return Err(Failure::invalid("name", detail));
    }
    Ok(())
}

/// A path in a folder or below `/home/work`, in its only spelling: no empty part, no `.`, no `..`.
pub(crate) fn folder_path(field: &str, path: &str) -> Checked {
    c_text(field, path, bounds::FOLDER_PATH_BYTES_MAX, "FOLDER_PATH_BYTES_MAX")?;
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        let detail = format!("`{field}` is a relative path without empty parts, `.` and `..`");
        return Err(Failure::invalid(field, detail));
    }
    Ok(())
}

pub(crate) fn environment(env: &BTreeMap<String, String>) -> Checked {
    at_most("env", env.len(), bounds::ENV_MAX, "ENV_MAX")?;
    for (name, value) in env {
        let field = format!("env.{}", shortened(name));
        c_text(&field, name, bounds::ENV_NAME_BYTES_MAX, "ENV_NAME_BYTES_MAX")?;
        c_text(&field, value, bounds::ENV_VALUE_BYTES_MAX, "ENV_VALUE_BYTES_MAX")?;
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(word) {
            return Err(Failure::invalid(field, "names of variables are letters, digits and `_`"));
        }
    }
    Ok(())
}

pub(crate) fn tags(tags: &BTreeMap<String, String>) -> Checked {
    at_most("tags", tags.len(), bounds::TAGS_MAX, "TAGS_MAX")?;
    for (key, value) in tags {
        let field = format!("tags.{}", shortened(key));
        at_most(&field, key.chars().count(), bounds::TAG_CHARS_MAX, "TAG_CHARS_MAX")?;
        at_most(&field, value.chars().count(), bounds::TAG_CHARS_MAX, "TAG_CHARS_MAX")?;
    }
    Ok(())
}

/// Enough of a client's own text to find the place by.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

impl super::App {
    /// A path of a request about files.
    pub fn check_path(&self, asked: &str) -> Checked {
        path("path", asked)
    }
}
