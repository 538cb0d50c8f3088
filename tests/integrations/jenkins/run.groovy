/**
 * Runs the step of the shared library with JenkinsPipelineUnit: `sh` runs the real script, the steps of plugins are
 * recorded. Arguments: the folder of the library, the workspace, options of the step as JSON. Prints one JSON document.
 */
import com.lesfurets.jenkins.unit.BasePipelineTest
import groovy.json.JsonOutput
import groovy.json.JsonSlurper

class StepTest extends BasePipelineTest {
    List recorded = []
    List variables = []

    Map runStep(File library, File workspace, Map options) {
        scriptRoots = [new File(library, 'vars').path] as String[]
        scriptExtension = 'groovy'
        setUp()
        helper.registerAllowedMethod('withEnv', [List, Closure]) { List added, Closure body ->
            variables.addAll(added)
            body()
        }
        helper.registerAllowedMethod('libraryResource', [String]) { new File(library, "resources/$it").text }
        helper.registerAllowedMethod('sh', [Map]) { Map arguments ->
            assert arguments.returnStatus
            recorded << [step: 'sh']
            // As the durable-task plugin does without a first line that names a program.
            def builder = new ProcessBuilder('sh', '-xe', '-c', arguments.script).directory(workspace).inheritIO()
            builder.redirectOutput(ProcessBuilder.Redirect.appendTo(new File('/dev/stderr')))
            variables.each { builder.environment().put(it.split('=', 2)[0], it.split('=', 2)[1]) }
            return builder.start().waitFor()
        }
        helper.registerAllowedMethod('sarif', [Map]) { [tool: 'sarif'] + it }
        for (name in ['recordIssues', 'junit', 'archiveArtifacts']) {
            def step = name
            helper.registerAllowedMethod(step, [Map]) { recorded << [step: step, arguments: it] }
        }
        helper.registerAllowedMethod('unstable', [String]) { recorded << [step: 'unstable', message: it] }
        helper.registerAllowedMethod('error', [String]) { String message -> throw new IllegalStateException(message) }
        def result = [recorded: recorded]
        try {
            result.code = loadScript('kubekeep.groovy').call(options)
        } catch (IllegalStateException failure) {
            result.error = failure.message
        }
        return result
    }
}

println JsonOutput.toJson(new StepTest().runStep(new File(args[0]), new File(args[1]), new JsonSlurper().parseText(args[2])))
