/**
 * Step of a shared library: scan, record the SARIF and JUnit reports, and set the result of the build.
 * Options are passed in environment variables, never in the text of the shell script.
 */
def call(Map options = [:]) {
    def names = [
        version: 'VERSION', requirements: 'REQUIREMENTS', paths: 'PATHS', frameworks: 'FRAMEWORKS', controls: 'CONTROLS',
        failOn: 'FAIL_ON', severityThreshold: 'SEVERITY_THRESHOLD', complianceThreshold: 'COMPLIANCE_THRESHOLD',
        exceptions: 'EXCEPTIONS', baseline: 'BASELINE', args: 'ARGS',
    ]
    def unknown = options.keySet() - names.keySet() - 'onFailedGate'
    if (unknown) {
        error("kubekeep: unknown option ${unknown.join(', ')}; known are ${names.keySet().join(', ')}, onFailedGate")
    }
    def onFailedGate = options.get('onFailedGate', 'failure')
    if (!(onFailedGate in ['failure', 'unstable'])) {
        error("kubekeep: onFailedGate is failure or unstable, not ${onFailedGate}")
    }
    def settings = [version: '0.1.0', paths: '.'] + options
    def variables = ['KUBEKEEP_FORMATS=junit', 'KUBEKEEP_REPORTS=kubekeep-reports']
    for (name in names.keySet()) {
        def value = settings[name]
        variables << "KUBEKEEP_${names[name]}=${value instanceof List ? value.join('\n') : value ?: ''}".toString()
    }

    def code = 0
    withEnv(variables) {
        code = sh(label: 'Kubekeep', script: libraryResource('kubekeep/scan.sh'), returnStatus: true)
    }
    recordIssues(enabledForFailure: true, tools: [sarif(id: 'kubekeep', name: 'Kubekeep', pattern: 'kubekeep-reports/kubekeep.sarif')])
    junit(testResults: 'kubekeep-reports/kubekeep.xml', allowEmptyResults: true, skipMarkingBuildUnstable: true)
    archiveArtifacts(artifacts: 'kubekeep-reports/*', allowEmptyArchive: true)
    if (code == 1 && onFailedGate == 'unstable') {
        unstable('Kubekeep: a gate failed')
    } else if (code != 0) {
        error("Kubekeep: ${code == 1 ? 'a gate failed' : 'the scan failed with exit code ' + code}")
    }
    return code
}
