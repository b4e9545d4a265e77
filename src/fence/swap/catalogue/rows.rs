//! The rows of the catalogue, sorted by repository.
//!
//! Each was read in its `source`: the vendor's documentation of the variables, or the script of the image that reads
//! them. Sets of variables that several rows share, or that are long, come last.

use super::{Mirror, Row};

const FILE: &str = "{name}_FILE";
const DOUBLE_FILE: &str = "{name}__FILE";
const PREFIX: &str = "FILE__{name}";
const ANY: &[&str] = &[];

/// Where the same images are published under other names; a longer prefix stands before a shorter one.
pub(super) const MIRRORS: &[Mirror] = &[
    Mirror {
        prefix: "docker.io/amd64/",
        of: "docker.io/library/",
        source: "https://github.com/docker-library/official-images#architectures-other-than-amd64",
    },
    Mirror {
        prefix: "docker.io/arm64v8/",
        of: "docker.io/library/",
        source: "https://github.com/docker-library/official-images#architectures-other-than-amd64",
    },
    Mirror {
        prefix: "docker.io/bitnamilegacy/",
        of: "docker.io/bitnami/",
        source: "https://github.com/bitnami/containers/issues/83267",
    },
    Mirror {
        prefix: "ghcr.io/linuxserver/",
        of: "docker.io/linuxserver/",
        source: "https://docs.linuxserver.io/FAQ/#lscr",
    },
    Mirror {
        prefix: "lscr.io/linuxserver/",
        of: "docker.io/linuxserver/",
        source: "https://docs.linuxserver.io/FAQ/#lscr",
    },
    Mirror {
        prefix: "mirror.gcr.io/",
        of: "docker.io/",
        source: "https://cloud.google.com/container-registry/docs/using-dockerhub-mirroring",
    },
    Mirror {
        prefix: "public.ecr.aws/docker/library/",
        of: "docker.io/library/",
        source: "https://www.docker.com/blog/news-from-aws-reinvent-docker-official-images-on-amazon-ecr-public/",
    },
];

// One call a row: laid out by rustfmt the table would be five times as long, and nobody would read it.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    row("docker.io/authelia/authelia", AUTHELIA, FILE, &["authelia"],
        "https://www.authelia.com/configuration/methods/secrets/"),
    row("docker.io/bitnami/keycloak", BITNAMI_KEYCLOAK, FILE, ANY,
        "https://github.com/bitnami/containers/tree/main/bitnami/keycloak"),
    row("docker.io/bitnami/mariadb", BITNAMI_MARIADB, FILE, ANY,
        "https://github.com/bitnami/containers/tree/main/bitnami/mariadb"),
    row("docker.io/bitnami/minio", MINIO, FILE, ANY,
        "https://github.com/bitnami/containers/tree/main/bitnami/minio"),
    row("docker.io/bitnami/mongodb", BITNAMI_MONGODB, FILE, ANY,
        "https://github.com/bitnami/containers/tree/main/bitnami/mongodb"),
    row("docker.io/bitnami/mysql", BITNAMI_MYSQL, FILE, ANY,
        "https://github.com/bitnami/containers/tree/main/bitnami/mysql"),
    row("docker.io/bitnami/postgresql", BITNAMI_POSTGRESQL, FILE, ANY,
        "https://github.com/bitnami/containers/tree/main/bitnami/postgresql"),
    row("docker.io/bitnami/rabbitmq", &["RABBITMQ_ERL_COOKIE", "RABBITMQ_PASSWORD", "RABBITMQ_USERNAME"], FILE, ANY,
        "https://github.com/bitnami/containers/tree/main/bitnami/rabbitmq"),
    row("docker.io/bitnami/redis", &["REDIS_MASTER_PASSWORD", "REDIS_PASSWORD"], FILE, ANY,
        "https://github.com/bitnami/containers/tree/main/bitnami/redis"),
    row("docker.io/bitnami/wordpress", BITNAMI_WORDPRESS, FILE, ANY,
        "https://github.com/bitnami/containers/tree/main/bitnami/wordpress"),
    row("docker.io/dpage/pgadmin4", &["PGADMIN_DEFAULT_PASSWORD"], FILE, ANY,
        "https://www.pgadmin.org/docs/pgadmin4/latest/container_deployment.html"),
    row("docker.io/espocrm/espocrm", ESPOCRM, FILE, ANY,
        "https://github.com/docker-library/docs/blob/master/espocrm/content.md"),
    row("docker.io/gitea/gitea", &["GITEA__*"], DOUBLE_FILE, &["/usr/bin/s6-svscan"],
        "https://github.com/go-gitea/gitea/pull/24832"),
    row("docker.io/grafana/grafana", GRAFANA, DOUBLE_FILE, ANY,
        "https://github.com/grafana/grafana/blob/main/packaging/docker/run.sh"),
    row("docker.io/grafana/grafana-enterprise", GRAFANA, DOUBLE_FILE, ANY,
        "https://github.com/grafana/grafana/blob/main/packaging/docker/run.sh"),
    row("docker.io/grafana/grafana-oss", GRAFANA, DOUBLE_FILE, ANY,
        "https://github.com/grafana/grafana/blob/main/packaging/docker/run.sh"),
    row("docker.io/library/arangodb", &["ARANGO_ROOT_PASSWORD"], FILE, &["arangod"],
        "https://github.com/arangodb/arangodb-docker/blob/official/alpine/3.10.12/docker-entrypoint.sh"),
    row("docker.io/library/espocrm", ESPOCRM, FILE, ANY,
        "https://github.com/docker-library/docs/blob/master/espocrm/content.md"),
    row("docker.io/library/influxdb",
        &["DOCKER_INFLUXDB_INIT_ADMIN_TOKEN", "DOCKER_INFLUXDB_INIT_PASSWORD", "DOCKER_INFLUXDB_INIT_USERNAME"],
        FILE, &["influxd", "run"],
        "https://github.com/influxdata/influxdata-docker/blob/master/influxdb/2.7/entrypoint.sh"),
    row("docker.io/library/joomla", &["JOOMLA_DB_PASSWORD"], FILE, &["apache2-foreground", "php-fpm"],
        "https://github.com/docker-library/docs/blob/master/joomla/content.md"),
    row("docker.io/library/mariadb", MARIADB, FILE, &["mariadbd", "mysqld"],
        "https://github.com/MariaDB/mariadb-docker/blob/master/docker-entrypoint.sh"),
    row("docker.io/library/matomo",
        &["MATOMO_DATABASE_DBNAME", "MATOMO_DATABASE_HOST", "MATOMO_DATABASE_PASSWORD", "MATOMO_DATABASE_USERNAME"],
        FILE, ANY,
        "https://github.com/matomo-org/docker/blob/master/docker-entrypoint.sh"),
    row("docker.io/library/mongo", MONGO, FILE, &["mongod"],
        "https://github.com/docker-library/docs/blob/master/mongo/content.md"),
    row("docker.io/library/mongo-express",
        &["ME_CONFIG_BASICAUTH_PASSWORD", "ME_CONFIG_BASICAUTH_USERNAME"], FILE, &["mongo-express"],
        "https://github.com/mongo-express/mongo-express#readme"),
    row("docker.io/library/monica", MONICA, FILE, ANY,
        "https://github.com/monicahq/docker/blob/main/4/apache/entrypoint.sh"),
    row("docker.io/library/mysql", MYSQL, FILE, &["mysqld"],
        "https://github.com/docker-library/docs/blob/master/mysql/content.md"),
    row("docker.io/library/nextcloud",
        &["NEXTCLOUD_ADMIN_PASSWORD", "NEXTCLOUD_ADMIN_USER", "REDIS_HOST_PASSWORD"],
        FILE, &["apache2-foreground", "php-fpm"],
        "https://github.com/nextcloud/docker#docker-secrets"),
    row("docker.io/library/odoo", &["PASSWORD"], FILE, &["odoo"],
        "https://github.com/odoo/docker/blob/master/19.0/entrypoint.sh"),
    row("docker.io/library/percona", MYSQL, FILE, &["mysqld"],
        "https://github.com/docker-library/docs/blob/master/percona/content.md"),
    row("docker.io/library/phpmyadmin", PHPMYADMIN, FILE, ANY,
        "https://github.com/phpmyadmin/docker#variables-that-can-be-read-from-a-file-using-_file"),
    row("docker.io/library/postgres", POSTGRES, FILE, &["postgres"],
        "https://github.com/docker-library/docs/blob/master/postgres/content.md"),
    row("docker.io/library/redmine", REDMINE, FILE, &["rails", "rake"],
        "https://github.com/docker-library/docs/blob/master/redmine/content.md"),
    row("docker.io/library/traefik", TRAEFIK, FILE, ANY,
        "https://go-acme.github.io/lego/dns/"),
    row("docker.io/library/wordpress", WORDPRESS, FILE, &["apache2-foreground", "php-fpm"],
        "https://github.com/docker-library/docs/blob/master/wordpress/content.md"),
    row("docker.io/library/yourls", YOURLS, FILE, &["apache2-foreground", "php-fpm"],
        "https://github.com/docker-library/docs/blob/master/yourls/content.md"),
    row("docker.io/linuxserver/bookstack",
        &["APP_KEY", "DB_DATABASE", "DB_HOST", "DB_PASSWORD", "DB_USERNAME"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-bookstack/"),
    row("docker.io/linuxserver/code-server",
        &["HASHED_PASSWORD", "PASSWORD", "SUDO_PASSWORD", "SUDO_PASSWORD_HASH"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-code-server/"),
    row("docker.io/linuxserver/duplicati", &["DUPLICATI__WEBSERVICE_PASSWORD", "SETTINGS_ENCRYPTION_KEY"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-duplicati/"),
    row("docker.io/linuxserver/healthchecks",
        &["EMAIL_HOST_PASSWORD", "EMAIL_HOST_USER", "SECRET_KEY", "SUPERUSER_PASSWORD"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-healthchecks/"),
    row("docker.io/linuxserver/hedgedoc", &["DB_NAME", "DB_PASS", "DB_USER"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-hedgedoc/"),
    row("docker.io/linuxserver/kimai", &["APP_SECRET", "DATABASE_URL"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-kimai/"),
    row("docker.io/linuxserver/librespeed", &["DB_PASSWORD", "DB_USERNAME", "IPINFO_APIKEY", "PASSWORD"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-librespeed/"),
    row("docker.io/linuxserver/lychee", &["DB_PASSWORD", "DB_USERNAME"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-lychee/"),
    row("docker.io/linuxserver/mariadb",
        &["MYSQL_DATABASE", "MYSQL_PASSWORD", "MYSQL_ROOT_PASSWORD", "MYSQL_USER"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-mariadb/"),
    row("docker.io/linuxserver/mastodon",
        &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "DB_PASS", "ES_PASS", "OTP_SECRET", "SECRET_KEY_BASE",
        "SMTP_PASSWORD", "VAPID_PRIVATE_KEY", "VAPID_PUBLIC_KEY"],
        PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-mastodon/"),
    row("docker.io/linuxserver/netbox",
        &["DB_PASSWORD", "DB_USER", "REDIS_PASSWORD", "SUPERUSER_PASSWORD"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-netbox/"),
    row("docker.io/linuxserver/nzbget", &["NZBGET_PASS", "NZBGET_USER"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-nzbget/"),
    row("docker.io/linuxserver/openvscode-server",
        &["CONNECTION_TOKEN", "SUDO_PASSWORD", "SUDO_PASSWORD_HASH"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-openvscode-server/"),
    row("docker.io/linuxserver/planka", &["DATABASE_URL", "DEFAULT_ADMIN_PASSWORD", "SECRET_KEY"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-planka/"),
    row("docker.io/linuxserver/speedtest-tracker", &["APP_KEY", "DB_PASSWORD", "DB_USERNAME"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-speedtest-tracker/"),
    row("docker.io/linuxserver/transmission", &["PASS", "USER"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-transmission/"),
    row("docker.io/linuxserver/unifi-network-application", &["MONGO_PASS", "MONGO_USER"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-unifi-network-application/"),
    row("docker.io/linuxserver/wikijs", &["DB_PASS", "DB_USER"], PREFIX, ANY,
        "https://docs.linuxserver.io/images/docker-wikijs/"),
    row("docker.io/litmuschaos/mongo", MONGO, FILE, &["mongod"],
        "https://github.com/litmuschaos/test-tools/blob/master/custom/mongo/Dockerfile"),
    row("docker.io/miniflux/miniflux", MINIFLUX, FILE, ANY,
        "https://github.com/miniflux/v2/blob/main/miniflux.1"),
    row("docker.io/minio/minio", MINIO, FILE, ANY,
        "https://github.com/minio/minio/blob/master/docs/docker/README.md"),
    row("docker.io/n8nio/n8n", N8N, FILE, ANY,
        "https://docs.n8n.io/hosting/configuration/configuration-methods/"),
    row("docker.io/osixia/openldap",
        &["LDAP_ADMIN_PASSWORD", "LDAP_CONFIG_PASSWORD", "LDAP_READONLY_USER_PASSWORD"], FILE, ANY,
        "https://github.com/osixia/docker-openldap#docker-secrets"),
    row("docker.io/paperlessngx/paperless-ngx", PAPERLESS, FILE, ANY,
        "https://docs.paperless-ngx.com/setup/"),
    row("docker.io/percona/percona-distribution-postgresql", POSTGRES, FILE, &["postgres"],
        "https://github.com/percona/percona-docker/blob/main/percona-distribution-postgresql-17/entrypoint.sh"),
    row("docker.io/percona/percona-server", MYSQL, FILE, &["mysqld"],
        "https://github.com/percona/percona-docker/blob/main/percona-server-8.0/ps-entry.sh"),
    row("docker.io/percona/percona-server-mongodb", MONGO, FILE, &["mongod"],
        "https://github.com/percona/percona-docker/blob/main/percona-server-mongodb-7.0/ps-entry.sh"),
    row("docker.io/pgvector/pgvector", POSTGRES, FILE, &["postgres"],
        "https://github.com/pgvector/pgvector/blob/master/Dockerfile"),
    row("docker.io/phpmyadmin/phpmyadmin", PHPMYADMIN, FILE, ANY,
        "https://github.com/phpmyadmin/docker#variables-that-can-be-read-from-a-file-using-_file"),
    row("docker.io/postgis/postgis", POSTGRES, FILE, &["postgres"],
        "https://github.com/postgis/docker-postgis/blob/master/Dockerfile.template"),
    row("docker.io/prometheuscommunity/postgres-exporter", POSTGRES_EXPORTER, FILE, ANY,
        "https://github.com/prometheus-community/postgres_exporter#environment-variables"),
    row("docker.io/requarks/wiki", &["DB_PASS"], FILE, ANY,
        "https://github.com/requarks/wiki/blob/main/server/core/config.js"),
    row("docker.io/timescale/timescaledb", POSTGRES, FILE, &["postgres"],
        "https://github.com/timescale/timescaledb-docker/blob/main/Dockerfile"),
    row("docker.io/vaultwarden/server", VAULTWARDEN, FILE, ANY,
        "https://github.com/dani-garcia/vaultwarden/blob/main/src/util.rs"),
    row("docker.io/woodpeckerci/woodpecker-agent", &["WOODPECKER_AGENT_SECRET"], FILE, ANY,
        "https://github.com/woodpecker-ci/woodpecker/blob/main/cmd/agent/core/flags.go"),
    row("docker.io/woodpeckerci/woodpecker-server", WOODPECKER, FILE, ANY,
        "https://github.com/woodpecker-ci/woodpecker/blob/main/cmd/server/flags.go"),
    row("docker.io/zabbix/zabbix-proxy-mysql", ZABBIX_MYSQL, FILE, &["/usr/sbin/zabbix_proxy", "init_db_only"],
        "https://github.com/zabbix/zabbix-docker/blob/7.0/Dockerfiles/proxy-mysql/README.md"),
    row("docker.io/zabbix/zabbix-server-mysql", ZABBIX_MYSQL, FILE, &["/usr/sbin/zabbix_server", "init_db_only"],
        "https://github.com/zabbix/zabbix-docker/blob/7.0/Dockerfiles/server-mysql/README.md"),
    row("docker.io/zabbix/zabbix-server-pgsql",
        &["POSTGRES_PASSWORD", "POSTGRES_USER"], FILE, &["/usr/sbin/zabbix_server", "init_db_only"],
        "https://github.com/zabbix/zabbix-docker/blob/7.0/Dockerfiles/server-pgsql/README.md"),
    row("docker.io/zabbix/zabbix-web-apache-mysql", &["MYSQL_PASSWORD", "MYSQL_USER"], FILE, ANY,
        "https://github.com/zabbix/zabbix-docker/blob/7.0/Dockerfiles/web-apache-mysql/README.md"),
    row("docker.io/zabbix/zabbix-web-apache-pgsql", &["POSTGRES_PASSWORD", "POSTGRES_USER"], FILE, ANY,
        "https://github.com/zabbix/zabbix-docker/blob/7.0/Dockerfiles/web-apache-pgsql/README.md"),
    row("docker.io/zabbix/zabbix-web-nginx-mysql", &["MYSQL_PASSWORD", "MYSQL_USER"], FILE, ANY,
        "https://github.com/zabbix/zabbix-docker/blob/7.0/Dockerfiles/web-nginx-mysql/README.md"),
    row("docker.io/zabbix/zabbix-web-nginx-pgsql", &["POSTGRES_PASSWORD", "POSTGRES_USER"], FILE, ANY,
        "https://github.com/zabbix/zabbix-docker/blob/7.0/Dockerfiles/web-nginx-pgsql/README.md"),
    row("docker.n8n.io/n8nio/n8n", N8N, FILE, ANY,
        "https://docs.n8n.io/hosting/configuration/configuration-methods/"),
    row("ghcr.io/authelia/authelia", AUTHELIA, FILE, &["authelia"],
        "https://www.authelia.com/configuration/methods/secrets/"),
    row("ghcr.io/dani-garcia/vaultwarden", VAULTWARDEN, FILE, ANY,
        "https://github.com/dani-garcia/vaultwarden/blob/main/src/util.rs"),
    row("ghcr.io/immich-app/immich-server", IMMICH, FILE, &["start.sh"],
        "https://github.com/immich-app/immich/blob/main/server/bin/start.sh"),
    row("ghcr.io/paperless-ngx/paperless-ngx", PAPERLESS, FILE, ANY,
        "https://docs.paperless-ngx.com/setup/"),
    row("ghcr.io/requarks/wiki", &["DB_PASS"], FILE, ANY,
        "https://github.com/requarks/wiki/blob/main/server/core/config.js"),
    row("quay.io/minio/minio", MINIO, FILE, ANY,
        "https://github.com/minio/minio/blob/master/docs/docker/README.md"),
    row("quay.io/prometheuscommunity/postgres-exporter", POSTGRES_EXPORTER, FILE, ANY,
        "https://github.com/prometheus-community/postgres_exporter#environment-variables"),
    row("quay.io/vaultwarden/server", VAULTWARDEN, FILE, ANY,
        "https://github.com/dani-garcia/vaultwarden/blob/main/src/util.rs"),
    row("quay.io/woodpeckerci/woodpecker-agent", &["WOODPECKER_AGENT_SECRET"], FILE, ANY,
        "https://github.com/woodpecker-ci/woodpecker/blob/main/cmd/agent/core/flags.go"),
    row("quay.io/woodpeckerci/woodpecker-server", WOODPECKER, FILE, ANY,
        "https://github.com/woodpecker-ci/woodpecker/blob/main/cmd/server/flags.go"),
];

const fn row(
    repository: &'static str,
    variables: &'static [&'static str],
    form: &'static str,
    starts: &'static [&'static str],
    source: &'static str,
) -> Row {
    Row { repository, variables, form, starts, source }
}

const AUTHELIA: &[&str] = &[
    "AUTHELIA_AUTHENTICATION_BACKEND_LDAP_PASSWORD",
    "AUTHELIA_DUO_API_INTEGRATION_KEY",
    "AUTHELIA_DUO_API_SECRET_KEY",
    "AUTHELIA_IDENTITY_PROVIDERS_OIDC_HMAC_SECRET",
    "AUTHELIA_IDENTITY_VALIDATION_RESET_PASSWORD_JWT_SECRET",
    "AUTHELIA_NOTIFIER_SMTP_PASSWORD",
    "AUTHELIA_SESSION_REDIS_HIGH_AVAILABILITY_SENTINEL_PASSWORD",
    "AUTHELIA_SESSION_REDIS_PASSWORD",
    "AUTHELIA_SESSION_SECRET",
    "AUTHELIA_STORAGE_ENCRYPTION_KEY",
    "AUTHELIA_STORAGE_MYSQL_PASSWORD",
    "AUTHELIA_STORAGE_POSTGRES_PASSWORD",
];

const BITNAMI_KEYCLOAK: &[&str] = &["KEYCLOAK_ADMIN_PASSWORD", "KEYCLOAK_DATABASE_PASSWORD", "KEYCLOAK_DATABASE_USER"];

const BITNAMI_MARIADB: &[&str] = &[
    "MARIADB_DATABASE",
    "MARIADB_MASTER_ROOT_PASSWORD",
    "MARIADB_PASSWORD",
    "MARIADB_REPLICATION_PASSWORD",
    "MARIADB_REPLICATION_USER",
    "MARIADB_ROOT_PASSWORD",
    "MARIADB_ROOT_USER",
    "MARIADB_USER",
];

const BITNAMI_MONGODB: &[&str] = &[
    "MONGODB_EXTRA_PASSWORDS",
    "MONGODB_INITIAL_PRIMARY_ROOT_PASSWORD",
    "MONGODB_METRICS_PASSWORD",
    "MONGODB_PASSWORD",
    "MONGODB_REPLICA_SET_KEY",
    "MONGODB_ROOT_PASSWORD",
    "MONGODB_ROOT_USER",
    "MONGODB_USERNAME",
];

const BITNAMI_MYSQL: &[&str] = &[
    "MYSQL_DATABASE",
    "MYSQL_MASTER_ROOT_PASSWORD",
    "MYSQL_PASSWORD",
    "MYSQL_REPLICATION_PASSWORD",
    "MYSQL_REPLICATION_USER",
    "MYSQL_ROOT_PASSWORD",
    "MYSQL_ROOT_USER",
    "MYSQL_USER",
];

const BITNAMI_POSTGRESQL: &[&str] = &[
    "POSTGRESQL_DATABASE",
    "POSTGRESQL_INITSCRIPTS_PASSWORD",
    "POSTGRESQL_LDAP_BIND_PASSWORD",
    "POSTGRESQL_PASSWORD",
    "POSTGRESQL_POSTGRES_PASSWORD",
    "POSTGRESQL_REPLICATION_PASSWORD",
    "POSTGRESQL_REPLICATION_USER",
    "POSTGRESQL_USERNAME",
    "POSTGRES_DB",
    "POSTGRES_PASSWORD",
    "POSTGRES_POSTGRES_PASSWORD",
    "POSTGRES_REPLICATION_PASSWORD",
    "POSTGRES_USER",
];

const BITNAMI_WORDPRESS: &[&str] = &[
    "WORDPRESS_DATABASE_PASSWORD",
    "WORDPRESS_DATABASE_USER",
    "WORDPRESS_PASSWORD",
    "WORDPRESS_SMTP_PASSWORD",
    "WORDPRESS_SMTP_USER",
    "WORDPRESS_USERNAME",
];

const ESPOCRM: &[&str] = &[
    "ESPOCRM_ADMIN_PASSWORD",
    "ESPOCRM_ADMIN_USERNAME",
    "ESPOCRM_DATABASE_HOST",
    "ESPOCRM_DATABASE_NAME",
    "ESPOCRM_DATABASE_PASSWORD",
    "ESPOCRM_DATABASE_USER",
];

// Not `GF_AWS_*` and `GF_PATHS_*`: the script uses those before it reads the files.
const GRAFANA: &[&str] =
    &["GF_AUTH_*", "GF_DATABASE_*", "GF_EXTERNAL_IMAGE_STORAGE_*", "GF_REMOTE_CACHE_*", "GF_SECURITY_*", "GF_SMTP_*"];

const IMMICH: &[&str] = &["DB_DATABASE_NAME", "DB_HOSTNAME", "DB_PASSWORD", "DB_URL", "DB_USERNAME", "REDIS_PASSWORD"];

const MARIADB: &[&str] = &[
    "MARIADB_DATABASE",
    "MARIADB_MASTER_HOST",
    "MARIADB_MASTER_PORT",
    "MARIADB_PASSWORD",
    "MARIADB_PASSWORD_HASH",
    "MARIADB_REPLICATION_PASSWORD",
    "MARIADB_REPLICATION_PASSWORD_HASH",
    "MARIADB_REPLICATION_USER",
    "MARIADB_ROOT_HOST",
    "MARIADB_ROOT_PASSWORD",
    "MARIADB_ROOT_PASSWORD_HASH",
    "MARIADB_USER",
    "MYSQL_DATABASE",
    "MYSQL_PASSWORD",
    "MYSQL_ROOT_HOST",
    "MYSQL_ROOT_PASSWORD",
    "MYSQL_USER",
];

const MINIFLUX: &[&str] = &[
    "ADMIN_PASSWORD",
    "ADMIN_USERNAME",
    "DATABASE_URL",
    "METRICS_PASSWORD",
    "METRICS_USERNAME",
    "OAUTH2_CLIENT_ID",
    "OAUTH2_CLIENT_SECRET",
];

const MINIO: &[&str] = &["MINIO_ROOT_PASSWORD", "MINIO_ROOT_USER"];

const MONGO: &[&str] = &["MONGO_INITDB_ROOT_PASSWORD", "MONGO_INITDB_ROOT_USERNAME"];

const MONICA: &[&str] = &[
    "APP_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "DATABASE_URL",
    "DB_PASSWORD",
    "MAIL_PASSWORD",
    "REDIS_PASSWORD",
];

const MYSQL: &[&str] = &["MYSQL_DATABASE", "MYSQL_PASSWORD", "MYSQL_ROOT_HOST", "MYSQL_ROOT_PASSWORD", "MYSQL_USER"];

// Only what the documentation marks with `/_FILE`: `N8N_ENCRYPTION_KEY` is not among them.
const N8N: &[&str] = &[
    "CREDENTIALS_OVERWRITE_DATA",
    "DB_POSTGRESDB_DATABASE",
    "DB_POSTGRESDB_HOST",
    "DB_POSTGRESDB_PASSWORD",
    "DB_POSTGRESDB_PORT",
    "DB_POSTGRESDB_SCHEMA",
    "DB_POSTGRESDB_SSL_CA",
    "DB_POSTGRESDB_SSL_CERT",
    "DB_POSTGRESDB_SSL_KEY",
    "DB_POSTGRESDB_USER",
];

const PAPERLESS: &[&str] = &[
    "PAPERLESS_ADMIN_PASSWORD",
    "PAPERLESS_ADMIN_USER",
    "PAPERLESS_DBHOST",
    "PAPERLESS_DBNAME",
    "PAPERLESS_DBPASS",
    "PAPERLESS_DBUSER",
    "PAPERLESS_EMAIL_HOST_PASSWORD",
    "PAPERLESS_EMAIL_HOST_USER",
    "PAPERLESS_REDIS",
    "PAPERLESS_SECRET_KEY",
];

const PHPMYADMIN: &[&str] = &[
    "MYSQL_PASSWORD",
    "MYSQL_ROOT_PASSWORD",
    "PMA_CONTROLHOST",
    "PMA_CONTROLPASS",
    "PMA_CONTROLUSER",
    "PMA_HOST",
    "PMA_HOSTS",
    "PMA_PASSWORD",
    "PMA_USER",
];

const POSTGRES: &[&str] = &["POSTGRES_DB", "POSTGRES_INITDB_ARGS", "POSTGRES_PASSWORD", "POSTGRES_USER"];

const POSTGRES_EXPORTER: &[&str] = &["DATA_SOURCE_PASS", "DATA_SOURCE_URI", "DATA_SOURCE_USER"];

const REDMINE: &[&str] = &[
    "REDMINE_DB_DATABASE",
    "REDMINE_DB_ENCODING",
    "REDMINE_DB_MYSQL",
    "REDMINE_DB_PASSWORD",
    "REDMINE_DB_PORT",
    "REDMINE_DB_POSTGRES",
    "REDMINE_DB_USERNAME",
    "REDMINE_SECRET_KEY_BASE",
];

// Of the DNS providers whose code reads them by `env.Get` or `env.GetOrFile`; the AWS SDK of route53 does not.
const TRAEFIK: &[&str] = &[
    "CF_API_EMAIL",
    "CF_API_KEY",
    "CF_DNS_API_TOKEN",
    "CF_ZONE_API_TOKEN",
    "CLOUDFLARE_API_KEY",
    "CLOUDFLARE_DNS_API_TOKEN",
    "CLOUDFLARE_EMAIL",
    "CLOUDFLARE_ZONE_API_TOKEN",
    "DO_AUTH_TOKEN",
    "DUCKDNS_TOKEN",
    "GANDIV5_API_KEY",
    "GANDIV5_PERSONAL_ACCESS_TOKEN",
    "GODADDY_API_KEY",
    "GODADDY_API_SECRET",
    "HETZNER_API_KEY",
    "HETZNER_API_TOKEN",
    "INFOMANIAK_ACCESS_TOKEN",
    "IONOS_API_KEY",
    "LINODE_TOKEN",
    "NAMECHEAP_API_KEY",
    "NAMECHEAP_API_USER",
    "NETCUP_API_KEY",
    "NETCUP_API_PASSWORD",
    "NETCUP_CUSTOMER_NUMBER",
    "OVH_APPLICATION_KEY",
    "OVH_APPLICATION_SECRET",
    "OVH_CONSUMER_KEY",
    "PORKBUN_API_KEY",
    "PORKBUN_SECRET_API_KEY",
    "VULTR_API_KEY",
];

// All settings go through `get_env_str_value`; these are the secret ones.
const VAULTWARDEN: &[&str] = &[
    "ADMIN_TOKEN",
    "DATABASE_URL",
    "DUO_IKEY",
    "DUO_SKEY",
    "HIBP_API_KEY",
    "PUSH_INSTALLATION_ID",
    "PUSH_INSTALLATION_KEY",
    "SMTP_PASSWORD",
    "SMTP_USERNAME",
    "SSO_CLIENT_ID",
    "SSO_CLIENT_SECRET",
    "YUBICO_CLIENT_ID",
    "YUBICO_SECRET_KEY",
];

const WOODPECKER: &[&str] = &[
    "WOODPECKER_AGENT_SECRET",
    "WOODPECKER_DATABASE_DATASOURCE",
    "WOODPECKER_GITEA_CLIENT",
    "WOODPECKER_GITEA_SECRET",
    "WOODPECKER_GITHUB_CLIENT",
    "WOODPECKER_GITHUB_SECRET",
    "WOODPECKER_GITLAB_CLIENT",
    "WOODPECKER_GITLAB_SECRET",
    "WOODPECKER_GRPC_SECRET",
    "WOODPECKER_PROMETHEUS_AUTH_TOKEN",
];

const WORDPRESS: &[&str] = &[
    "WORDPRESS_AUTH_KEY",
    "WORDPRESS_AUTH_SALT",
    "WORDPRESS_DB_HOST",
    "WORDPRESS_DB_NAME",
    "WORDPRESS_DB_PASSWORD",
    "WORDPRESS_DB_USER",
    "WORDPRESS_DEBUG",
    "WORDPRESS_LOGGED_IN_KEY",
    "WORDPRESS_LOGGED_IN_SALT",
    "WORDPRESS_NONCE_KEY",
    "WORDPRESS_NONCE_SALT",
    "WORDPRESS_SECURE_AUTH_KEY",
    "WORDPRESS_SECURE_AUTH_SALT",
    "WORDPRESS_TABLE_PREFIX",
];

const YOURLS: &[&str] = &[
    "YOURLS_DB_HOST",
    "YOURLS_DB_NAME",
    "YOURLS_DB_PASS",
    "YOURLS_DB_PREFIX",
    "YOURLS_DB_USER",
    "YOURLS_PASS",
    "YOURLS_SITE",
    "YOURLS_USER",
];

const ZABBIX_MYSQL: &[&str] = &["MYSQL_PASSWORD", "MYSQL_ROOT_PASSWORD", "MYSQL_USER"];
