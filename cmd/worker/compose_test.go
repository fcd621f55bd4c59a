package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
	"github.com/catalog-courier/catalog-courier/service"
)

const repository = "../.."

// loadCompose reads docker-compose.yml as docker compose would, all profiles on.
func loadCompose(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(repository, "docker-compose.yml")},
		cli.WithEnv([]string{"POSTGRES_PASSWORD=secret"}), cli.WithProfiles([]string{"*"}), cli.WithWorkingDirectory(repository))
	require.NoError(t, err)
	project, err := options.LoadProject(context.Background())
	require.NoError(t, err)
	return project
}

func TestComposeHasTheServices(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	require.ElementsMatch(t, []string{"nats", "nats-data", "postgres", "migrate", "worker", "sandbox", "enqueue"}, project.ServiceNames())
	require.Equal(t, []string{"sandbox"}, project.Services["sandbox"].Profiles)
	for _, name := range []string{"nats", "postgres", "migrate", "worker"} {
		require.Empty(t, project.Services[name].Profiles, "%s starts without a profile", name)
	}
	for _, name := range []string{"nats", "postgres", "worker", "sandbox"} {
		check := project.Services[name].HealthCheck
		require.NotNil(t, check, name)
		require.False(t, check.Disable, name)
		require.NotEmpty(t, check.Test, name)
		require.NotNil(t, check.StartInterval, name)
	}
}

func TestComposeStartsInOrder(t *testing.T) {
	t.Parallel()
	worker := loadCompose(t).Services["worker"]
	require.Equal(t, types.ServiceConditionCompletedSuccessfully, worker.DependsOn["migrate"].Condition)
	require.Equal(t, types.ServiceConditionHealthy, worker.DependsOn["nats"].Condition)
	require.False(t, worker.DependsOn["sandbox"].Required, "without the profile there is none")
}

// A name or a port of its own would keep --scale worker=3 from starting a second
// one.
func TestComposeWorkerScales(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	scaled, err := project.WithServicesTransform(func(name string, service types.ServiceConfig) (types.ServiceConfig, error) {
		if name == "worker" {
			service.SetScale(3)
		}
		return service, nil
	})
	require.NoError(t, err)
	worker := scaled.Services["worker"]
	require.Equal(t, 3, worker.GetScale())
	require.Empty(t, worker.ContainerName)
	require.Empty(t, worker.Hostname)
	require.Empty(t, worker.Ports)
}

func TestComposeIsHardened(t *testing.T) {
	t.Parallel()
	for name, service := range loadCompose(t).Services {
		require.True(t, service.ReadOnly, name)
		require.Equal(t, []string{"ALL"}, service.CapDrop, name)
		require.Contains(t, service.SecurityOpt, "no-new-privileges:true", name)
		require.False(t, service.Privileged, name)
		if name != "nats-data" { // it only hands a volume over, without a network
			user, _, _ := strings.Cut(service.User, ":")
			require.NotEmpty(t, user, name)
			require.NotEqual(t, "0", user, name)
		}
		if !strings.HasPrefix(service.Image, "catalog-courier:") {
			_, tag, tagged := strings.Cut(service.Image, ":")
			require.True(t, tagged && strings.Contains(tag, "."), "%s: %s is not pinned", name, service.Image)
		}
		for _, port := range service.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, "%s publishes port %s beyond this machine", name, port.Published)
		}
	}
}

// Every command line must exist as it is written.
func TestComposeCommandsExist(t *testing.T) {
	t.Parallel()
	checked := 0
	for name, service := range loadCompose(t).Services {
		if !strings.HasPrefix(service.Image, "catalog-courier:") || name == "enqueue" {
			continue
		}
		requireCommand(t, name, service.Command)
		checked++
		if service.HealthCheck != nil {
			require.Equal(t, []string{"CMD", "/usr/local/bin/worker"}, []string(service.HealthCheck.Test[:2]))
			requireCommand(t, name+"'s health check", []string(service.HealthCheck.Test[2:]))
			checked++
		}
	}
	require.Equal(t, 5, checked)
}

func requireCommand(t *testing.T, where string, args []string) {
	t.Helper()
	root := newCommand(quiet(), builtin.Platforms())
	found, rest, err := root.Find(args)
	require.NoError(t, err, where)
	require.NotEqual(t, root, found, "%s: %v is no command", where, args)
	require.NoError(t, found.ParseFlags(rest), where)
	accept := found.Args
	if accept == nil {
		accept = cobra.NoArgs
	}
	require.NoError(t, accept(found, found.Flags().Args()), where)
}

func TestComposeMountsWhatIsThere(t *testing.T) {
	t.Parallel()
	for name, service := range loadCompose(t).Services {
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeBind {
				_, err := os.Stat(volume.Source)
				require.NoError(t, err, name)
			}
		}
	}
}

func TestShippedConfigurationsAreValid(t *testing.T) {
	t.Parallel()
	lookup := func(name string) (string, bool) {
		return "set", slices.Contains([]string{
			"PINTEREST_ACCESS_TOKEN", "PINTEREST_CLIENT_SECRET", "PINTEREST_REFRESH_TOKEN", "META_ACCESS_TOKEN", "META_APP_SECRET",
		}, name)
	}
	for _, path := range []string{"deploy/courier.sandbox.yaml", "examples/courier.yaml"} {
		loaded, err := config.Load(filepath.Join(repository, path), config.Options{Lookup: lookup, Platforms: platform.Configs(builtin.Platforms())})
		require.NoError(t, err, path)
		require.NoError(t, service.CheckAccounts(loaded, builtin.Platforms()), path)
	}
	_, err := config.Load(filepath.Join(repository, "examples/courier.production.yaml"), config.Options{Lookup: lookup, Platforms: platform.Configs(builtin.Platforms())})
	var problems config.Problems
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems, 2, "nothing but the secrets that are not there")
	require.Equal(t, "database.url_file", problems[0].Key)
	require.Equal(t, "worker.encryption_key_file", problems[1].Key)
}

func TestNATSConfigurationFlushesBeforeItAcknowledges(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join(repository, "deploy/nats.conf"))
	require.NoError(t, err)
	require.Contains(t, string(content), "sync_interval: always")
}

// Every setting that the container file passes by environment must be known.
func TestComposeEnvironmentIsKnown(t *testing.T) {
	t.Parallel()
	for name, service := range loadCompose(t).Services {
		for variable := range service.Environment {
			if strings.HasPrefix(variable, "COURIER_") {
				require.Contains(t, config.Reference(platform.Configs(builtin.Platforms())), "`"+variable+"`", name)
			}
		}
	}
}
