//! Example: the file with every setting, its meaning and its default; and the
//! file as it is in force.

use std::fmt::Write;

use crate::config::merge::Merged;
use crate::config::setting::{self, Setting};
use crate::config::value::Value;

const WIDTH: usize = 76;

const HEAD: &str = "\
# Settings of an rdb node, with their defaults. Run `rdb config check --config
# FILE` after a change. A flag wins over an environment variable, that over this
# file, this file over the default. Paths are relative to this file.
";

/// The example file.
#[must_use]
pub fn example() -> String {
    let mut text = HEAD.to_owned();
    each_group(&mut text, |text, setting| {
        for line in wrap(setting.doc) {
            write_line(text, &format!("# {line}"));
        }
        write_line(
            text,
            &format!("# Flag --{}, environment {}.", setting.flag(), setting.variable()),
        );
        match setting.default_value() {
            Some(value) => write_line(text, &format!("{} = {value}", setting.key)),
            None => {
                let shown = Value::from_text(setting.kind, setting.example)
                    .expect("a test reads every example of the table");
                write_line(text, &format!("# {} = {shown}", setting.key));
            }
        }
        text.push('\n');
    });
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The values in force as a file, each with who set it if `origin` is wanted.
#[must_use]
pub fn in_force(merged: &Merged, origin: bool) -> String {
    let mut text = String::new();
    each_group(&mut text, |text, setting| {
        let line = match merged.value(setting) {
            Some(value) => format!("{} = {value}", setting.key),
            None => format!("# {} is not set", setting.key),
        };
        match merged.origin(setting).filter(|_| origin) {
            Some(origin) => write_line(text, &format!("{line} # {origin}")),
            None => write_line(text, &line),
        }
    });
    text.trim_start().to_owned()
}

fn each_group(text: &mut String, mut each: impl FnMut(&mut String, &'static Setting)) {
    let mut group = "";
    for setting in setting::ALL {
        if setting.group != group {
            group = setting.group;
            if !text.ends_with("\n\n") {
                text.push('\n');
            }
            write_line(text, &format!("[{group}]"));
        }
        each(text, setting);
    }
}

fn write_line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::merge::{Origin, Sources};

    fn from_file(text: String) -> Merged {
        let file = Some(("rdb.toml".into(), text));
        Merged::from_sources(&Sources { file, ..Sources::default() }).unwrap()
    }

    #[test]
    fn the_example_sets_every_default_and_nothing_else() {
        let defaults = Merged::from_sources(&Sources::default()).unwrap();
        let merged = from_file(example());
        for setting in setting::ALL {
            assert_eq!(merged.value(setting), defaults.value(setting), "{}", setting.name());
            if setting.default.is_some() {
                assert_eq!(merged.origin(setting), Some(&Origin::File("rdb.toml".into())));
            }
        }
    }

    #[test]
    fn the_example_with_every_line_in_use_is_valid() {
        let is_setting = |line: &str| line.contains(" = ") && line.starts_with("# ");
        let lines = example();
        let lines = lines.lines().map(|line| if is_setting(line) { &line[2..] } else { line });
        let merged = from_file(lines.collect::<Vec<_>>().join("\n"));
        for setting in setting::ALL {
            assert!(merged.value(setting).is_some(), "{}", setting.name());
        }
    }

    #[test]
    fn values_in_force_are_a_file_that_gives_them_again() {
        let merged = from_file("[peer]\nseeds = [\"a=b:1\", \"c=d:2\"]".to_owned());
        let again = from_file(in_force(&merged, true));
        for setting in setting::ALL {
            assert_eq!(merged.value(setting), again.value(setting), "{}", setting.name());
        }
        assert!(in_force(&merged, true).contains("heartbeat = \"100ms\" # default"));
        assert!(!in_force(&merged, false).contains("# default"));
    }
}
