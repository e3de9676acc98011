/* SPDX-License-Identifier: Apache-2.0 */
/*
 * documents: --format over docker's documents (inspect, info, version).
 *
 * docker runs such a template over Go structs. JSON lacks what their types say of fields that are empty: that a null was a
 * list, or that an absent key stands for "". The table tells the template, so that {{if .State.Health}} is false and not an error,
 * {{range .HostConfig.Binds}} runs no round, and {{.Config.StopSignal}} prints nothing.
 */
#include "cli/cli.h"

#include "codec/tmpl.h"

enum empty { EMPTY_NIL, EMPTY_LIST, EMPTY_MAP, EMPTY_STRING, EMPTY_FALSE, EMPTY_ZERO };
static const struct { enum empty kind; const char *names; } fields[] = {
	{EMPTY_NIL, " Health Healthcheck StopTimeout Init SizeRw SizeRootFs PidsLimit OomKillDisable MemorySwappiness IPAMConfig "
		"BindOptions VolumeOptions TmpfsOptions ImageManifestDescriptor Descriptor Status UsageData Platform "},
	{EMPTY_LIST, " Args Binds VolumesFrom CapAdd CapDrop Dns DnsOptions DnsSearch ExtraHosts GroupAdd Links SecurityOpt Mounts Devices "
		"DeviceCgroupRules DeviceRequests Ulimits BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps "
		"BlkioDeviceWriteIOps MaskedPaths ReadonlyPaths Cmd Entrypoint Env OnBuild Shell ExecIDs RepoTags RepoDigests Layers Aliases "
		"DNSNames SecondaryIPAddresses SecondaryIPv6Addresses Test Log Warnings Components SecurityOptions "},
	{EMPTY_MAP, " Labels Volumes ExposedPorts PortBindings Sysctls StorageOpt Tmpfs Annotations Ports Networks Options DriverOpts Config "
		"Data Details "},
	{EMPTY_STRING, " StopSignal MacAddress Domainname Hostname User WorkingDir Image Author Comment Variant OsVersion Parent Name Source "
		"Driver Mode Propagation Error ContainerIDFile VolumeDriver CgroupParent CpusetCpus CpusetMems CreatedAt "},
	{EMPTY_FALSE, " ArgsEscaped NetworkDisabled AttachStdin AttachStdout AttachStderr OpenStdin StdinOnce Tty RW "},
	{EMPTY_ZERO, " Size VirtualSize RestartCount "},
};

static bool has_word(const char *words, const char *name)
{
	size_t n = strlen(name);
	for (const char *at = words; (at = strstr(at, name)); at++)
		if (at[-1] == ' ' && at[n] == ' ')
			return true;
	return false;
}

static struct json *empty_field(void *arg unused, const struct json *dot, const char *name, const struct json *const *args unused, size_t n,
	bool *known)
{
	struct json_iter it = {};
	size_t i = 0;
	/* Labels and other maps hold any key: they are not spelled as fields are. */
	if (n || !*name || !json_next(dot, &it) || it.key[0] < 'A' || it.key[0] > 'Z')
		return NULL;
	while (i < countof(fields) && !has_word(fields[i].names, name))
		i++;
	if (i == countof(fields))
		return NULL;
	*known = true;
	switch (fields[i].kind) {
	case EMPTY_LIST: return json_new_array();
	case EMPTY_MAP: return json_new_object();
	case EMPTY_STRING: return json_new_str("");
	case EMPTY_FALSE: return json_new_bool(false);
	case EMPTY_ZERO: return json_new_i64(0);
	default: return NULL;
	}
}

static int run(const struct json *array, const char *format, struct buf *out, struct err *e)
{
	static const struct tmpl_options o = {.strict = true, .method = empty_field};
	own(tmpl) struct tmpl *t = NULL;
	if (tmpl_parse(format, &t, e) < 0)
		return err_wrap(e, "--format");
	for (size_t i = 0; i < json_len(array); i++) {
		if (tmpl_execute(t, json_at(array, i), &o, out, e) < 0)
			return err_wrap(e, "--format");
		buf_char(out, '\n');
	}
	return 0;
}

int cli_format_documents(const struct json *array, const char *format, struct err *e)
{
	own(buf) struct buf out = {};
	if (str_is_empty(format) || strcmp(format, "json") == 0) {
		json_format(array, str_is_empty(format) ? 4 : 0, &out);
		buf_char(&out, '\n');
	} else if (run(array, format, &out, e) < 0) {
		return -1;
	}
	return cli_print(&out, e);
}

int cli_format_document(const struct json *document, const char *format, struct err *e)
{
	own(buf) struct buf out = {};
	own(json) struct json *array = json_new_array();
	json_add(array, json_ref((struct json *)(uintptr_t)document));
	if (run(array, strcmp(format, "json") == 0 ? "{{json .}}" : format, &out, e) < 0)
		return -1;
	return cli_print(&out, e);
}
