// Package check reads the manifests and the chart as Kubernetes would, and the configuration of
// the release as GoReleaser does, without a cluster. It is a module of its own, as Helm brings
// hundreds of modules.
package check

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const image = "ghcr.io/catalog-courier/catalog-courier:"

func TestKustomize(t *testing.T) {
	base := built(t, "../kubernetes/base")
	checkAll(t, base)
	scaled := built(t, "../kubernetes/overlays/keda")
	checkAll(t, scaled)
	require.Contains(t, scaled, "ScaledObject/courier-worker")
	// KEDA sets the number of replicas; a manifest that sets it too undoes that.
	worker := parsed[appsv1.Deployment](t, scaled["Deployment/courier-worker"])
	require.Nil(t, worker.Spec.Replicas)
	require.NotNil(t, parsed[appsv1.Deployment](t, base["Deployment/courier-worker"]).Spec.Replicas)

	examples := built(t, "../kubernetes/examples")
	config := parsed[corev1.ConfigMap](t, examples["ConfigMap/courier-config"])
	require.Contains(t, config.Data["courier.yaml"], "accounts:")
	require.Contains(t, parsed[corev1.Secret](t, examples["Secret/courier-secrets"]).StringData, "DATABASE_URL")
}

func TestChart(t *testing.T) {
	full := rendered(t, map[string]any{"existingConfigMap": "config", "existingSecret": "secrets"})
	checkAll(t, full)
	full = rendered(t, map[string]any{
		"config": "accounts: {}\n", "existingSecret": "secrets",
		"serve": map[string]any{"enabled": false}, "migrate": map[string]any{"enabled": false}, "keda": map[string]any{"enabled": true, "prometheus": "http://prometheus:9090"},
	})
	require.NotContains(t, full, "Deployment/courier-enqueue")
	require.NotContains(t, full, "Job/courier-migrate")
	require.Contains(t, full, "ScaledObject/courier-worker")
	require.Equal(t, "accounts: {}\n", parsed[corev1.ConfigMap](t, full["ConfigMap/courier-config"]).Data["courier.yaml"])
	require.Nil(t, parsed[appsv1.Deployment](t, full["Deployment/courier-worker"]).Spec.Replicas)
}

// TestTheChartNeedsNoCluster: what it would ask of one is not there in these checks.
func TestTheChartNeedsNoCluster(t *testing.T) {
	files, err := filepath.Glob("../helm/catalog-courier/templates/*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotRegexp(t, `\.Capabilities\.APIVersions|\blookup\b`, string(text), file)
	}
}

// TestChartRefuses: a value that is misspelt or of another kind is an error.
func TestChartRefuses(t *testing.T) {
	for _, values := range []map[string]any{
		{},
		{"existingConfigMap": "a"},
		{"existingSecret": "a"},
		{"existingConfigMap": "a", "existingSecret": "b", "wroker": map[string]any{}},
		{"existingConfigMap": "a", "existingSecret": "b", "worker": map[string]any{"replicas": "three"}},
		{"existingConfigMap": "a", "existingSecret": "b", "worker": map[string]any{"terminationGracePeriodSeconds": 30}},
		{"existingConfigMap": "a", "existingSecret": "b", "keda": map[string]any{"enabled": true}},
	} {
		_, err := render(t, values)
		require.Errorf(t, err, "%v", values)
	}
}

// checkAll reads every object strictly and looks at what each pod must have.
func checkAll(t *testing.T, objects map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		text := objects[name]
		switch kind, _, _ := strings.Cut(name, "/"); kind {
		case "Deployment":
			d := parsed[appsv1.Deployment](t, text)
			require.Equal(t, d.Spec.Selector.MatchLabels["app.kubernetes.io/component"], d.Spec.Template.Labels["app.kubernetes.io/component"])
			checkPod(t, name, d.Spec.Template.Spec)
			container := d.Spec.Template.Spec.Containers[0]
			require.NotNil(t, container.LivenessProbe, name)
			require.NotNil(t, container.ReadinessProbe, name)
			// worker.drain_timeout and serve.drain_timeout are 30 seconds.
			require.Greater(t, *d.Spec.Template.Spec.TerminationGracePeriodSeconds, int64(35), name)
		case "Job":
			j := parsed[batchv1.Job](t, text)
			require.NotNil(t, j.Spec.BackoffLimit, name)
			require.Equal(t, []string{"migrate"}, j.Spec.Template.Spec.Containers[0].Args[:1])
			checkPod(t, name, j.Spec.Template.Spec)
		case "PodDisruptionBudget":
			b := parsed[policyv1.PodDisruptionBudget](t, text)
			require.NotNil(t, b.Spec.MaxUnavailable, name)
		case "Service":
			s := parsed[corev1.Service](t, text)
			pod := parsed[appsv1.Deployment](t, objects["Deployment/"+s.Name])
			for label, value := range s.Spec.Selector {
				require.Equal(t, value, pod.Spec.Template.Labels[label], name)
			}
			for _, port := range s.Spec.Ports {
				require.Truef(t, slices.ContainsFunc(pod.Spec.Template.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool {
					return p.Name == port.TargetPort.StrVal
				}), "%s: port %s", name, port.Name)
			}
		case "ServiceAccount":
			require.False(t, *parsed[corev1.ServiceAccount](t, text).AutomountServiceAccountToken, name)
		case "ConfigMap":
			parsed[corev1.ConfigMap](t, text)
		case "ScaledObject": // no type in k8s.io/api
			require.Contains(t, text, "maxReplicaCount")
		default:
			t.Fatalf("nothing checks %s", name)
		}
	}
	for _, name := range []string{"Deployment/courier-worker", "Deployment/courier-enqueue", "Service/courier-enqueue", "PodDisruptionBudget/courier-worker", "Job/courier-migrate"} {
		require.Contains(t, objects, name)
	}
}

func checkPod(t *testing.T, name string, pod corev1.PodSpec) {
	t.Helper()
	require.True(t, *pod.SecurityContext.RunAsNonRoot, name)
	require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type, name)
	for _, c := range pod.Containers {
		require.True(t, strings.HasPrefix(c.Image, image), c.Image)
		require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, name)
		require.False(t, *c.SecurityContext.AllowPrivilegeEscalation, name)
		require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, name)
		require.False(t, c.Resources.Limits.Memory().IsZero(), name)
		volumes := map[string]bool{}
		for _, v := range pod.Volumes {
			volumes[v.Name] = true
		}
		for _, m := range c.VolumeMounts {
			require.True(t, volumes[m.Name], "%s mounts %s", name, m.Name)
		}
	}
}

func parsed[T any](t *testing.T, text string) (object T) {
	t.Helper()
	require.NotEmpty(t, text)
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &object), text)
	return object
}

func built(t *testing.T, folder string) map[string]string {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	require.NoError(t, err)
	text, err := resources.AsYaml()
	require.NoError(t, err)
	return split(t, string(text))
}

func rendered(t *testing.T, values map[string]any) map[string]string {
	t.Helper()
	files, err := render(t, values)
	require.NoError(t, err)
	var all []string
	for name, text := range files {
		if strings.HasSuffix(name, ".yaml") {
			all = append(all, text)
		}
	}
	return split(t, strings.Join(all, "\n---\n"))
}

func render(t *testing.T, values map[string]any) (map[string]string, error) {
	t.Helper()
	chart, err := loader.Load("../helm/catalog-courier")
	require.NoError(t, err)
	require.NoError(t, chart.Validate())
	top, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: "courier", Namespace: "shop", IsInstall: true}, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(chart, top)
}

func split(t *testing.T, text string) map[string]string {
	t.Helper()
	objects := map[string]string{}
	for document := range strings.SplitSeq(text, "\n---\n") {
		var head struct {
			Kind     string
			Metadata struct{ Name string }
		}
		require.NoError(t, yaml.Unmarshal([]byte(document), &head), document)
		if head.Kind == "" {
			continue
		}
		name := head.Kind + "/" + head.Metadata.Name
		require.NotContains(t, objects, name)
		objects[name] = document
	}
	return objects
}

// TestPages: what the page says to apply is there.
func TestPages(t *testing.T) {
	for _, path := range []string{"kubernetes/base", "kubernetes/overlays/keda", "kubernetes/examples", "helm/catalog-courier"} {
		_, err := os.Stat(filepath.Join("..", path))
		require.NoError(t, err)
		page, err := os.ReadFile("../../docs/deploy.md")
		require.NoError(t, err)
		require.Contains(t, string(page), "deploy/"+path)
	}
}
