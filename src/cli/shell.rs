//! Completions for shells, generated from the flags.

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};

use super::Cli;

/// The shells that flags are completed in.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    /// The script that the shell reads.
    pub(crate) fn completions(self) -> Vec<u8> {
        let mut command = Cli::command();
        let name = command.get_name().to_owned();
        let mut script = Vec::new();
        match self {
            Self::Bash => generate(Bash, &mut command, name, &mut script),
            Self::Zsh => generate(Zsh, &mut command, name, &mut script),
            Self::Fish => generate(Fish, &mut command, name, &mut script),
        }
        script
    }
}
