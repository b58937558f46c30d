//! `madang admin announcement`.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Args, Subcommand};
use madang_client::Client;
use madang_ids::Millis;
use madang_model::{Audience, Level};
use madang_public_api::{AnnouncementCreate, AnnouncementView, Page, Timestamp};

use super::{
    group::{name, word},
    noun,
};
use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

const ANNOUNCEMENTS: &str = "announcements";

#[derive(Debug, Args)]
pub struct AnnouncementArgs {
    #[command(subcommand)]
    command: AnnouncementCommand,
}

#[derive(Debug, Subcommand)]
enum AnnouncementCommand {
    /// List what is announced now
    Ls {
        /// Those to come and those that are over, too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Announce something
    #[command(alias = "add")]
    Create(Box<CreateArgs>),
    /// End an announcement
    Rm {
        /// Id
        announcement: String,
    },
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// What everybody shall read
    text: String,
    /// The language of the text
    #[arg(long, value_name = "TAG", default_value = "en")]
    lang: String,
    /// The same in another language: ko=…
    #[arg(long, value_name = "TAG=TEXT", value_parser = translation)]
    also: Vec<(String, String)>,
    /// notice, warning, critical
    #[arg(long, value_parser = word::<Level>)]
    level: Option<Level>,
    /// Show it on the sign-in page, too
    #[arg(long)]
    everybody: bool,
    /// From this time on: 2026-01-02T09:00:00Z; now where left out
    #[arg(long, value_parser = word::<Timestamp>)]
    from: Option<Timestamp>,
    /// Until this time; until it is ended where left out
    #[arg(long, value_parser = word::<Timestamp>, conflicts_with = "lasts")]
    until: Option<Timestamp>,
    /// For so long
    #[arg(long = "for", id = "lasts", value_name = "TIME")]
    lasts: Option<Millis>,
    #[command(flatten)]
    json: JsonArgs,
}

fn translation(text: &str) -> Result<(String, String), String> {
    let (tag, text) = text.split_once('=').ok_or_else(|| "write TAG=TEXT".to_owned())?;
    Ok((tag.to_owned(), text.to_owned()))
}

pub async fn run(args: AnnouncementArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    match args.command {
        AnnouncementCommand::Ls { all, json } => {
            let which = if all { "/all" } else { "" };
            let page: Page<AnnouncementView> = client.get(&noun::path(ANNOUNCEMENTS, "", which)).await?;
            list(&page.items, &json)?;
        }
        AnnouncementCommand::Create(args) => {
            let made: AnnouncementView = client.post(&noun::path(ANNOUNCEMENTS, "", ""), &request(&args)).await?;
            noun::made(&made, &made.id, &args.json)?;
        }
        AnnouncementCommand::Rm { announcement } => {
            let _: serde_json::Value = client.delete(&noun::path(ANNOUNCEMENTS, &announcement, "")).await?;
        }
    }
    Ok(0)
}

fn request(args: &CreateArgs) -> AnnouncementCreate {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let from = args.from.map_or(now, |from| from.0);
    let until = args.lasts.map(|lasts| Timestamp(from.saturating_add(lasts.0)));
    let mut texts: BTreeMap<_, _> = args.also.iter().cloned().collect();
    texts.insert(args.lang.clone(), args.text.clone());
    AnnouncementCreate {
        level: args.level.unwrap_or_default(),
        audience: if args.everybody { Audience::Everybody } else { Audience::SignedIn },
        texts,
        from: args.from,
        until: args.until.or(until),
    }
}

fn list(announcements: &[AnnouncementView], json: &JsonArgs) -> Result<(), Failure> {
    if json.json {
        return print::json(&announcements);
    }
    let row = |one: &AnnouncementView| -> Vec<Cell> {
        let texts: Vec<_> = one.texts.iter().map(|(tag, text)| format!("{tag}: {text}")).collect();
        vec![
            one.id.to_string().into(),
            print::judged(name(&one.level), one.level == Level::Notice),
            name(&one.audience).into(),
            one.from.to_string().into(),
            noun::when(one.until).into(),
            texts.join(" / ").into(),
        ]
    };
    let rows: Vec<_> = announcements.iter().map(row).collect();
    print::table(&["ID", "LEVEL", "AUDIENCE", "FROM", "UNTIL", "TEXT"], &rows)
}
