//! The manual page: flags and commands as clap knows them, and what stands in `manual.roff`.

use clap::{Arg, Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::Cli;

/// Exit codes, signals, variables, files: what clap knows nothing of.
const REST: &str = include_str!("manual.roff");

/// The whole page, for `man -l`.
pub(crate) fn manual() -> std::io::Result<Vec<u8>> {
    let mut command = Cli::command()
        .override_usage("wssgate [OPTIONS]\nwssgate COMMAND [OPTIONS]")
        // As a section's name: without what the help says beside it.
        .mut_args(|arg| match arg.get_help_heading().map(first_words) {
            Some(heading) => arg.help_heading(heading),
            None => arg,
        });
    command.build();
    let man = Man::new(command.clone());
    // Without a date, which would be that of the build.
    let mut page = title(&command).into_bytes();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    commands(&command).to_writer(&mut page)?;
    page.extend_from_slice(REST.as_bytes());
    Ok(page)
}

fn title(command: &Command) -> String {
    let version = command.get_version().unwrap_or_default();
    format!(".TH WSSGATE 1 \"\" \"wssgate {version}\"\n")
}

fn first_words(heading: &str) -> String {
    heading.split([',', ':']).next().unwrap_or_default().to_owned()
}

/// One page for all of them: each with what the program itself does not take.
fn commands(command: &Command) -> Roff {
    let is_same = |known: &Arg, arg: &Arg| {
        known.get_id() == arg.get_id() && known.get_help() == arg.get_help()
    };
    let own = |arg: &&Arg| !command.get_arguments().any(|known| is_same(known, arg));
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for subcommand in command.get_subcommands() {
        let mut head = vec![bold(subcommand.get_name())];
        head.extend(subcommand.get_positionals().flat_map(name));
        entry(&mut roff, head, subcommand.get_about());
        let flags = subcommand.get_arguments().filter(|arg| !arg.is_positional());
        for arg in flags.filter(own) {
            roff.control("RS", []);
            entry(&mut roff, name(arg), arg.get_help());
            roff.control("RE", []);
        }
    }
    roff
}

fn entry(roff: &mut Roff, head: Vec<Inline>, text: Option<&clap::builder::StyledStr>) {
    roff.control("TP", []);
    roff.text(head);
    roff.text([roman(text.map(ToString::to_string).unwrap_or_default())]);
}

fn name(arg: &Arg) -> Vec<Inline> {
    let short =
        arg.get_short().into_iter().flat_map(|short| [bold(format!("-{short}")), roman(", ")]);
    let flag = short.chain(arg.get_long().map(|long| bold(format!("--{long}"))));
    let takes_value = arg.get_action().takes_values();
    let values = arg.get_value_names().filter(|_| takes_value).unwrap_or_default();
    let values = values.iter().flat_map(|value| [roman(" "), italic(value.as_str())]);
    flag.chain(values).collect()
}
