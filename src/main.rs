//! The `strowger` program.

fn main() -> std::process::ExitCode {
    strowger::cli::main()
}
