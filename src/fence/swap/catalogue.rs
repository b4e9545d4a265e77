//! Which container images read a secret from a file that an environment variable names.
//!
//! A row is a promise: where it says yes, a policy takes the variable away and puts a file there. So a row stands only
//! where the vendor's documentation or the image's own script says so for that very variable, in every version that is
//! still likely to run. What is in doubt is not here, and the verdict is *must be told*.

mod rows;

use rows::MIRRORS;

/// One image, the variables whose file it reads, and how the variable that names the file is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Registry and repository, normalised (`docker.io/library/postgres`), without tag and digest.
    pub repository: &'static str,
    /// Exact names, or `PREFIX_*` where the image reads a file for every variable of that prefix.
    pub variables: &'static [&'static str],
    /// The name of the variable that names the file, with `{name}` once for the variable that held the value.
    pub form: &'static str,
    /// What the first of the container's `args` may be for the entrypoint to read the files; empty for anything.
    pub starts: &'static [&'static str],
    /// Where that is documented.
    pub source: &'static str,
}

/// A place where the images of another one are published unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// What the repository starts with there.
    pub prefix: &'static str,
    /// What it starts with in the catalogue.
    pub of: &'static str,
    /// Where that is documented.
    pub source: &'static str,
}

/// All rows, sorted by repository; one repository may have several.
pub const ROWS: &[Row] = rows::ROWS;

/// The rows of a normalised repository (no tag, no digest), or of the one that it mirrors. Allocates nothing.
pub fn rows(repository: &str) -> &'static [Row] {
    let (start, rest) = original(repository);
    let order = |row: &Row| row.repository.bytes().cmp(start.bytes().chain(rest.bytes()));
    let from = ROWS.partition_point(|row| order(row).is_lt());
    let (_, rows) = ROWS.split_at(from);
    let (rows, _) = rows.split_at(rows.partition_point(|row| order(row).is_eq()));
    rows
}

impl Row {
    /// Whether the image reads a file in place of this variable.
    pub fn covers(&self, variable: &str) -> bool {
        self.variables.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => {
                variable.len() > prefix.len() && variable.starts_with(prefix) && !self.names_a_file(variable)
            }
            None => *pattern == variable,
        })
    }

    /// Whether the image's entrypoint reads the files when the container gives this as the first of its `args`.
    ///
    /// The caller has made sure that `command` does not replace the entrypoint. Flags go to the program that the
    /// entrypoint starts by default, so they read as no `args` at all; any other program gets no files.
    pub fn entrypoint_reads(&self, first_argument: Option<&str>) -> bool {
        match first_argument {
            _ if self.starts.is_empty() => true,
            None => true,
            Some(argument) => argument.starts_with('-') || self.starts.contains(&argument),
        }
    }

    /// Whether the variable already is one that names a file: of a pattern only, exact names are chosen.
    fn names_a_file(&self, variable: &str) -> bool {
        match self.form.split_once("{name}") {
            Some((before, after)) => {
                !(before.is_empty() && after.is_empty()) && variable.starts_with(before) && variable.ends_with(after)
            }
            None => false,
        }
    }
}

/// The repository in two parts, with the first exchanged where it is a mirror's.
fn original(repository: &str) -> (&'static str, &str) {
    MIRRORS
        .iter()
        .find_map(|mirror| repository.strip_prefix(mirror.prefix).map(|rest| (mirror.of, rest)))
        .unwrap_or(("", repository))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write;
    use std::path::Path;

    use super::*;

    fn row_of(repository: &str, variable: &str) -> Option<&'static Row> {
        rows(repository).iter().find(|row| row.covers(variable))
    }

    #[test]
    fn rows_are_sorted_by_repository() {
        assert!(ROWS.is_sorted_by_key(|row| row.repository));
    }

    #[test]
    fn a_variable_of_a_repository_is_in_one_row_and_once() {
        let mut seen = BTreeSet::new();
        for row in ROWS {
            for variable in row.variables {
                assert!(seen.insert((row.repository, variable)), "{} {variable}", row.repository);
            }
        }
    }

    #[test]
    fn no_pattern_shadows_another_variable_of_its_repository() {
        for row in ROWS {
            for variable in row.variables {
                let name = variable.replace('*', "X");
                assert_eq!(
                    rows(row.repository).iter().filter(|other| other.covers(&name)).count(),
                    1,
                    "{} {variable}",
                    row.repository
                );
            }
        }
    }

    #[test]
    fn every_row_is_whole() {
        for row in ROWS {
            assert_eq!(row.form.matches("{name}").count(), 1, "{}", row.repository);
            assert!(row.form.len() > "{name}".len(), "{}: a form that names no other variable", row.repository);
            assert!(row.source.starts_with("https://"), "{}", row.repository);
            assert!(!row.variables.is_empty(), "{}", row.repository);
            for variable in row.variables {
                let name = variable.strip_suffix('*').unwrap_or(variable);
                assert!(!name.is_empty() && !name.contains('*'), "{} {variable}", row.repository);
            }
        }
    }

    #[test]
    fn every_repository_is_normalised_and_reached_by_its_own_name() {
        for row in ROWS {
            let (registry, path) = row.repository.split_once('/').unwrap();
            assert!(registry.contains('.') && path.contains('/'), "{}", row.repository);
            assert!(!path.contains([':', '@']) && path.to_lowercase() == path, "{}", row.repository);
            assert!(rows(row.repository).contains(row), "{} is hidden behind a mirror", row.repository);
        }
    }

    #[test]
    fn every_mirror_is_whole_and_of_something_here() {
        for mirror in MIRRORS {
            assert!(mirror.source.starts_with("https://"), "{}", mirror.prefix);
            assert!(mirror.prefix.ends_with('/') && mirror.of.ends_with('/'), "{}", mirror.prefix);
            assert!(ROWS.iter().any(|row| row.repository.starts_with(mirror.of)), "{}", mirror.prefix);
        }
    }

    #[test]
    fn finds_what_the_vendor_documents() {
        for (repository, variable, form) in [
            ("docker.io/library/postgres", "POSTGRES_PASSWORD", "{name}_FILE"),
            ("docker.io/library/mysql", "MYSQL_ROOT_PASSWORD", "{name}_FILE"),
            ("docker.io/library/mariadb", "MARIADB_ROOT_PASSWORD", "{name}_FILE"),
            ("docker.io/library/mongo", "MONGO_INITDB_ROOT_USERNAME", "{name}_FILE"),
            ("docker.io/library/wordpress", "WORDPRESS_DB_PASSWORD", "{name}_FILE"),
            ("docker.io/library/nextcloud", "NEXTCLOUD_ADMIN_PASSWORD", "{name}_FILE"),
            ("docker.io/bitnami/redis", "REDIS_PASSWORD", "{name}_FILE"),
            ("docker.io/n8nio/n8n", "DB_POSTGRESDB_PASSWORD", "{name}_FILE"),
            ("docker.io/grafana/grafana", "GF_SECURITY_ADMIN_PASSWORD", "{name}__FILE"),
            ("docker.io/linuxserver/mariadb", "MYSQL_ROOT_PASSWORD", "FILE__{name}"),
        ] {
            assert_eq!(row_of(repository, variable).map(|row| row.form), Some(form), "{repository} {variable}");
        }
    }

    #[test]
    fn a_mirror_is_the_image_that_it_mirrors() {
        for (mirror, repository) in [
            ("public.ecr.aws/docker/library/postgres", "docker.io/library/postgres"),
            ("mirror.gcr.io/library/postgres", "docker.io/library/postgres"),
            ("mirror.gcr.io/grafana/grafana", "docker.io/grafana/grafana"),
            ("docker.io/arm64v8/mysql", "docker.io/library/mysql"),
            ("docker.io/bitnamilegacy/redis", "docker.io/bitnami/redis"),
            ("lscr.io/linuxserver/code-server", "docker.io/linuxserver/code-server"),
        ] {
            assert!(!rows(repository).is_empty(), "{repository}");
            assert_eq!(rows(mirror), rows(repository), "{mirror}");
        }
    }

    #[test]
    fn says_nothing_of_images_that_do_not_read_files() {
        for (repository, variable) in [
            ("docker.io/library/redis", "REDIS_PASSWORD"),
            ("docker.io/library/rabbitmq", "RABBITMQ_DEFAULT_PASS"), // removed in 3.9: the container refuses to start
            ("quay.io/keycloak/keycloak", "KC_DB_PASSWORD"),
            ("docker.io/mysql/mysql-server", "MYSQL_ROOT_PASSWORD"), // the variable itself may be a path
            ("docker.io/oliver006/redis_exporter", "REDIS_PASSWORD"), // the file is JSON: addresses and passwords
            ("docker.io/library/elasticsearch", "ELASTIC_PASSWORD"), // wants the mode 0400 or 0600
            ("docker.io/library/neo4j", "NEO4J_AUTH"),               // before 5.24 an unknown setting stops it
            ("docker.io/library/postgres", "PGPASSWORD"),
            ("docker.io/library/nextcloud", "MYSQL_PASSWORD"), // only together with the user and the database
            ("docker.io/n8nio/n8n", "N8N_ENCRYPTION_KEY"),
            ("docker.io/grafana/grafana", "GF_AWS_default_SECRET_ACCESS_KEY"), // used before the files are read
            ("example.com/library/postgres", "POSTGRES_PASSWORD"),
            ("docker.io/library/postgres-extra", "POSTGRES_PASSWORD"),
            ("docker.io/library/postgre", "POSTGRES_PASSWORD"),
            ("", "POSTGRES_PASSWORD"),
        ] {
            assert_eq!(row_of(repository, variable), None, "{repository} {variable}");
        }
    }

    #[test]
    fn exact_names_and_patterns_cover_nothing_beside() {
        let postgres = row_of("docker.io/library/postgres", "POSTGRES_PASSWORD").unwrap();
        assert!(!postgres.covers("POSTGRES_PASSWORD_FILE"));
        assert!(!postgres.covers("postgres_password"));
        let gitea = row_of("docker.io/gitea/gitea", "GITEA__database__PASSWD").unwrap();
        assert!(!gitea.covers("GITEA__"));
        assert!(!gitea.covers("GITEA__database__PASSWD__FILE"));
        assert!(!gitea.covers("GITEA_WORK_DIR"));
    }

    #[test]
    fn files_are_read_only_where_the_entrypoint_starts_the_program() {
        let postgres = row_of("docker.io/library/postgres", "POSTGRES_PASSWORD").unwrap();
        assert!(postgres.entrypoint_reads(None));
        assert!(postgres.entrypoint_reads(Some("postgres")));
        assert!(postgres.entrypoint_reads(Some("-c")));
        assert!(!postgres.entrypoint_reads(Some("pg_dump")));
        assert!(!postgres.entrypoint_reads(Some("postgres -c ssl=on")));
        assert!(!postgres.entrypoint_reads(Some("")));
        let grafana = row_of("docker.io/grafana/grafana", "GF_SECURITY_ADMIN_PASSWORD").unwrap();
        assert!(grafana.entrypoint_reads(Some("anything")));
    }

    #[test]
    fn the_page_of_the_catalogue_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/catalogue.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let made = between(&between(&page, "rows", &table_of_rows()), "mirrors", &table_of_mirrors());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &made).unwrap();
        } else {
            assert!(page == made, "docs/catalogue.md is not what the rows say: UPDATE_DOCS=1 cargo test catalogue");
        }
    }

    fn between(page: &str, name: &str, table: &str) -> String {
        let (begin, end) = (format!("<!-- {name}: generated -->\n"), format!("<!-- {name}: end -->\n"));
        let (head, rest) = page.split_once(&begin).unwrap();
        let (_, tail) = rest.split_once(&end).unwrap();
        format!("{head}{begin}\n{table}\n{end}{tail}")
    }

    fn table_of_rows() -> String {
        let mut table = "| image | variables | file named by | when `args` start with | source |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
        for Row { repository, variables, form, starts, source } in ROWS {
            let starts = if starts.is_empty() { "anything".to_owned() } else { format!("a flag, {}", code(starts)) };
            writeln!(table, "| `{repository}` | {} | `{form}` | {starts} | <{source}> |", code(variables)).unwrap();
        }
        table
    }

    fn table_of_mirrors() -> String {
        let mut table = "| images under | are those under | source |\n| --- | --- | --- |\n".to_owned();
        for Mirror { prefix, of, source } in MIRRORS {
            writeln!(table, "| `{prefix}` | `{of}` | <{source}> |").unwrap();
        }
        table
    }

    fn code(names: &[&str]) -> String {
        names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }
}
