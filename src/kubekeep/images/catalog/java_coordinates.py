"""Groups of well-known Java libraries that are published without Maven's files. A table; reads nothing."""

from __future__ import annotations

import functools
import re
from typing import Final

KNOWN: Final = """
antlr                                antlr                  antlr
aopalliance                          org/aopalliance        aopalliance
asm                                  org/objectweb/asm      asm:4 asm-all:4 asm-analysis:4 asm-commons:4 asm-tree:4 asm-util:4
avalon-framework                     org/apache/avalon      avalon-framework avalon-framework-*
axis                                 org/apache/axis        axis axis-*
axis                                 javax/wsdl             axis-wsdl4j
org.apache.axis                      javax/xml              axis-jaxrpc axis-saaj
backport-util-concurrent             edu/emory/mathcs       backport-util-concurrent
bouncycastle                         org/bouncycastle       bcprov-jdk14:100+ bcprov-jdk12:100+ bcmail-jdk14:100+
org.bouncycastle                     org/bouncycastle       bc*
bsf                                  org/apache/bsf         bsf
c3p0                                 com/mchange            c3p0:0.9.2
com.mchange                          com/mchange            c3p0 mchange-commons-java
cglib                                net/sf/cglib           cglib cglib-nodep
ch.qos.logback                       ch/qos/logback         logback-*
classworlds                          org/codehaus           classworlds
com.digitalpetri.fsm                 com/digitalpetri       strict-machine
com.fifesoft                         org/fife               rsyntaxtextarea autocomplete
com.formdev                          com/formdev            flatlaf flatlaf-*
com.paypal.sdk                       com/paypal             rest-api-sdk checkout-sdk
com.lihaoyi                          geny                   geny_*
com.lihaoyi                          ujson                  ujson_*
com.lihaoyi                          upack                  upack_*
com.lihaoyi                          upickle                upickle_* upickle-*
com.lihaoyi                          os                     os-lib_*
com.lihaoyi                          mainargs               mainargs_*
com.lihaoyi                          sourcecode             sourcecode_*
com.lihaoyi                          fastparse              fastparse_*
com.lihaoyi                          pprint                 pprint_*
com.lihaoyi                          fansi                  fansi_*
com.lihaoyi                          scalatags              scalatags_*
com.carrotsearch                     com/carrotsearch       hppc
com.datadoghq                        datadog                dd-trace-* dd-java-agent
com.datastax.cassandra               com/datastax           cassandra-driver-*
com.github.ben-manes.caffeine        com/github/benmanes    caffeine guava jcache
com.github.spotbugs                  edu/umd/cs/findbugs    spotbugs spotbugs-*
com.google.android                   android                android
com.google.cloud.opentelemetry       com/google/cloud       detector-resources detector-resources-support exporter-auto exporter-metrics exporter-trace propagators-gcp shared-resourcemapping
com.google.code.findbugs             javax/annotation       jsr305
com.google.code.findbugs             edu/umd/cs/findbugs    annotations findbugs
com.google.code.gson                 com/google/gson        gson
com.google.dagger                    dagger                 dagger dagger-*
com.google.errorprone                com/google/errorprone  error_prone_annotations error_prone_*
com.google.guava                     com/google/common      guava guava-* failureaccess
com.google.guava                     -                      listenablefuture
com.google.inject                    com/google/inject      guice
com.google.inject.extensions         com/google/inject      guice-*
com.google.j2objc                    com/google/j2objc      j2objc-annotations
com.google.protobuf                  com/google/protobuf    protobuf-*
com.google.re2j                      com/google/re2j        re2j
com.google.zxing                     com/google/zxing       core javase
com.googlecode.juniversalchardet     org/mozilla            juniversalchardet
com.graphql-java                     graphql                graphql-java graphql-java-extended-*
com.graphql-java                     org/dataloader         java-dataloader
com.h2database                       org/h2                 h2
com.hazelcast                        com/hazelcast          hazelcast hazelcast-*
com.hierynomus                       com/hierynomus         asn-one sshj smbj
com.ibm.icu                          com/ibm/icu            icu4j icu4j-*
com.jcraft                           com/jcraft             jsch jzlib
com.microsoft.sqlserver              com/microsoft          mssql-jdbc
com.mysql                            com/mysql/cj           mysql-connector-j
com.netflix.archaius                 com/netflix            archaius-*
com.netflix.eureka                   com/netflix            eureka-*
com.netflix.hystrix                  com/netflix/hystrix    hystrix-*
com.netflix.ribbon                   com/netflix            ribbon ribbon-*
com.oracle.database.jdbc             oracle                 ojdbc8 ojdbc10 ojdbc11 ojdbc17 ucp
com.oracle.database.security         oracle                 oraclepki osdt_cert osdt_core
com.squareup.moshi                   com/squareup/moshi     moshi moshi-*
com.squareup.okhttp                  com/squareup/okhttp    okhttp okhttp-*
com.squareup.okhttp3                 okhttp3                okhttp okhttp-* logging-interceptor mockwebserver
com.squareup.okio                    okio                   okio okio-*
com.squareup.okio                    -                      okio
com.squareup.retrofit2               retrofit2              retrofit adapter-* converter-*
com.squareup.wire                    com/squareup/wire      wire-*
com.sun.mail                         com/sun/mail           javax.mail jakarta.mail
com.sun.xml.bind                     com/sun/xml/bind       jaxb-impl jaxb-core
com.sun.xml.ws                       com/sun/xml/ws         jaxws-* rt
com.thoughtworks.xstream             com/thoughtworks       xstream xstream-*
com.typesafe                         com/typesafe           config
com.typesafe.akka                    akka                   akka-*
com.typesafe.play                    play                   play play_* play-* twirl-*
com.typesafe.scala-logging           com/typesafe           scala-logging_*
com.typesafe.slick                   slick                  slick_* slick-*
com.zaxxer                           com/zaxxer             HikariCP HikariCP-*
commons-beanutils                    org/apache/commons     commons-beanutils commons-beanutils-*
commons-cli                          org/apache/commons     commons-cli
commons-codec                        org/apache/commons     commons-codec
commons-collections                  org/apache/commons     commons-collections
commons-configuration                org/apache/commons     commons-configuration
commons-daemon                       org/apache/commons     commons-daemon
commons-dbcp                         org/apache/commons     commons-dbcp
commons-discovery                    org/apache/commons     commons-discovery
commons-digester                     org/apache/commons     commons-digester
commons-el                           org/apache/commons     commons-el
commons-fileupload                   org/apache/commons     commons-fileupload
commons-httpclient                   org/apache/commons     commons-httpclient
commons-io                           org/apache/commons     commons-io
commons-jxpath                       org/apache/commons     commons-jxpath
commons-lang                         org/apache/commons     commons-lang
commons-logging                      org/apache/commons     commons-logging commons-logging-*
commons-net                          org/apache/commons     commons-net
commons-pool                         org/apache/commons     commons-pool
commons-validator                    org/apache/commons     commons-validator
org.apache.commons                   org/apache/commons     commons-*
de.odysseus.juel                     de/odysseus            juel-*
dom4j                                org/dom4j              dom4j:1
org.dom4j                            org/dom4j              dom4j
eu.bitwalker                         eu/bitwalker           UserAgentUtils
com.github.tomakehurst               com/github/tomakehurst wiremock:3.0.1 wiremock-*
org.wiremock                         com/github/tomakehurst wiremock
io.github.microutils                 mu                     kotlin-logging kotlin-logging-jvm
io.github.oshai                      io/github/oshai        kotlin-logging kotlin-logging-jvm
io.grpc                              io/grpc                grpc-*
io.jaegertracing                     io/jaegertracing       jaeger-*
io.jsonwebtoken                      io/jsonwebtoken        jjwt jjwt-*
io.ktor                              io/ktor                ktor-*
io.micrometer                        io/micrometer          micrometer-* context-propagation
io.micronaut                         io/micronaut           micronaut-*
io.netty                             io/netty               netty-*
io.opencensus                        io/opencensus          opencensus-*
io.opentelemetry                     io/opentelemetry       opentelemetry-api opentelemetry-context opentelemetry-sdk opentelemetry-sdk-* opentelemetry-exporter-* opentelemetry-extension-* opentelemetry-common opentelemetry-opentracing-shim
io.opentelemetry                     io/opentelemetry       opentelemetry-semconv:1.21
io.opentelemetry.contrib             io/opentelemetry/contrib opentelemetry-*
io.opentelemetry.semconv             io/opentelemetry       opentelemetry-semconv
io.opentelemetry.instrumentation     io/opentelemetry       opentelemetry-instrumentation-* opentelemetry-spring-*
io.opentelemetry.javaagent           io/opentelemetry       opentelemetry-javaagent opentelemetry-javaagent-*
io.opentracing                       io/opentracing         opentracing-*
io.perfmark                          io/perfmark            perfmark-api
io.projectreactor                    reactor                reactor-core reactor-test reactor-tools
io.projectreactor.addons             reactor                reactor-extra reactor-adapter reactor-pool
io.projectreactor.kafka              reactor                reactor-kafka
io.projectreactor.kotlin             reactor                reactor-kotlin-extensions
io.projectreactor.netty              reactor                reactor-netty reactor-netty-*
io.reactivex                         rx                     rxjava rxjava-* rxnetty
io.reactivex.rxjava2                 io/reactivex           rxjava:3
io.reactivex.rxjava3                 io/reactivex/rxjava3   rxjava
io.projectreactor.netty.incubator    reactor                reactor-netty-incubator-*
io.rsocket                           io/rsocket             rsocket-*
io.swagger                           io/swagger             swagger-annotations swagger-core swagger-models swagger-jaxrs swagger-parser
io.zipkin                            zipkin                 zipkin-server
io.zipkin                            -                      zipkin-lens
jakarta-regexp                       org/apache/regexp      jakarta-regexp
javassist                            javassist              javassist:3
org.javassist                        javassist              javassist
javax.activation                     javax/activation       activation javax.activation-api
javax.annotation                     javax/annotation       jsr250-api javax.annotation-api
javax.el                             javax/el               el-api javax.el-api
javax.inject                         javax/inject           javax.inject javax.inject-*
javax.jms                            javax/jms              jms jms-api javax.jms-api
javax.mail                           javax/mail             mail javax.mail-api
javax.money                          javax/money            money-api
javax.persistence                    javax/persistence      persistence-api javax.persistence-api
javax.portlet                        javax/portlet          portlet-api
javax.servlet                        javax/servlet          servlet-api javax.servlet-api jstl
javax.servlet.jsp                    javax/servlet/jsp      jsp-api javax.servlet.jsp-api
javax.transaction                    javax/transaction      jta transaction-api javax.transaction-api
javax.validation                     javax/validation       validation-api
javax.websocket                      javax/websocket        javax.websocket-api javax.websocket-client-api
javax.ws.rs                          javax/ws               jsr311-api javax.ws.rs-api
javax.xml.bind                       javax/xml/bind         jaxb-api
javax.xml.stream                     javax/xml/stream       stax-api
jaxen                                org/jaxen              jaxen
jdom                                 org/jdom               jdom
org.jdom                             org/jdom2              jdom2
org.jdom                             org/jdom               jdom
jline                                jline                  jline
org.jline                            org/jline              jline jline-*
joda-time                            org/joda/time          joda-time
junit                                junit                  junit
junit                                org/junit              junit
log4j                                org/apache/log4j       log4j apache-log4j-extras
logkit                               org/apache/log         logkit
mx4j                                 mx4j                   mx4j mx4j-*
mysql                                com/mysql              mysql-connector-java
net.bytebuddy                        net/bytebuddy          byte-buddy byte-buddy-*
net.java.dev.jna                     com/sun/jna            jna jna-* platform
net.jcip                             net/jcip               jcip-annotations
net.sf.jopt-simple                   joptsimple             jopt-simple
net.sf.kxml                          org/kxml2              kxml2 kxml2-*
net.arnx                             net/arnx               wmf2svg
net.sf.saxon                         net/sf/saxon           Saxon-HE
net.sourceforge.nekohtml             org/cyberneko          nekohtml
net.sourceforge.htmlunit             com/gargoylesoftware   htmlunit htmlunit-*
ognl                                 ognl                   ognl
opensymphony                         com/opensymphony       quartz quartz-all
org.apache.activemq                  org/apache/activemq    activemq-* artemis-*
org.apache-extras.beanshell          bsh                    bsh:2.0b6+
org.beanshell                        bsh                    bsh:2.0b6
org.apache.ant                       org/apache/tools/ant   ant ant-*
org.apache.ant                       org/apache/tools       ant-launcher
org.apache.avro                      org/apache/avro        avro avro-*
org.apache.cassandra                 org/apache/cassandra   apache-cassandra cassandra-all
org.apache.derby                     org/apache/derby       derby derbyclient derbynet derbytools derbyshared derbyLocale_*
org.apache.geronimo.specs            javax                  geronimo-*
org.apache.groovy                    groovy                 groovy:4+ groovy-*:4+
org.codehaus.groovy                  groovy                 groovy groovy-*
org.apache.groovy                    org/apache/groovy      groovy-*:4+
org.codehaus.groovy                  org/codehaus/groovy    groovy-* groovy
org.codehaus.groovy                  org/apache/groovy      groovy-*
org.apache.httpcomponents            org/apache/http        httpclient httpcore httpmime httpasyncclient fluent-hc httpclient-* httpcore-*
org.apache.httpcomponents.client5    org/apache/hc          httpclient5 httpclient5-*
org.apache.httpcomponents.core5      org/apache/hc          httpcore5 httpcore5-*
org.apache.hadoop                    org/apache/hadoop      hadoop-*
org.apache.ivy                       org/apache/ivy         ivy
org.apache.jmeter                    org/apache/jorphan     jorphan
org.apache.kafka                     org/apache/kafka       kafka-* kafka_* connect-*
org.apache.kafka                     kafka                  kafka_* kafka-*
org.apache.logging.log4j             org/apache/logging     log4j-*
org.apache.logging.log4j             org/apache/log4j       log4j-1.2-api
org.apache.lucene                    org/apache/lucene      lucene-*
org.apache.rocketmq                  org/rocksdb            rocketmq-rocksdb
org.apache.poi                       org/apache/poi         poi poi-*
org.apache.poi                       org/openxmlformats     poi-ooxml-schemas poi-ooxml-lite poi-ooxml-full ooxml-schemas
org.apache.shiro                     org/apache/shiro       shiro-*
org.apache.solr                      org/apache/solr        solr-*
org.apache.spark                     org/apache/spark       spark-*
org.apache.struts                    org/apache/struts2     struts2-*
org.apache.struts                    com/opensymphony       struts2-core
org.apache.tapestry                  org/apache/tapestry5   tapestry-* tapestry5-*
org.apache.thrift                    org/apache/thrift      libthrift
org.apache.tika                      org/apache/tika        tika-*
org.apache.tomcat                    org/apache/tomcat      tomcat-* tomcat7-websocket
org.apache.tomcat                    -                      tomcat-i18n-*
org.apache.tomcat                    org/apache/catalina    tomcat tomcat-*
org.apache.tomcat                    org/apache             tomcat-*
org.apache.tomcat                    org/apache/coyote      tomcat-*
org.apache.tomcat                    javax                  tomcat-*
org.apache.tomcat                    jakarta                tomcat-*
org.apache.tomcat                    javax/annotation       annotations-api
org.apache.tomcat.embed              org/apache/catalina    tomcat-embed-*
org.apache.tomcat.embed              org/apache             tomcat-embed-*
org.apache.tomcat.embed              javax                  tomcat-embed-*
org.apache.tomcat.embed              jakarta                tomcat-embed-*
velocity                             org/apache/velocity    velocity:1.5
org.apache.velocity                  org/apache/velocity    velocity velocity-*
org.apache.xmlbeans                  org/apache/xmlbeans    xmlbeans
org.apache.xmlgraphics               org/apache/batik       batik-*
org.apache.xmlgraphics               org/apache/fop         fop fop-*
org.apache.zookeeper                 org/apache/zookeeper   zookeeper zookeeper-*
org.aspectj                          org/aspectj            aspectjrt aspectjtools aspectjweaver
org.clojure                          clojure                clojure core.* data.* tools.* spec.alpha core.specs.alpha
org.codehaus.janino                  org/codehaus           janino commons-compiler
org.checkerframework                 org/checkerframework   checker-qual checker checker-*
org.codehaus.jackson                 org/codehaus/jackson   jackson-*
org.codehaus.jettison                org/codehaus/jettison  jettison
org.codehaus.mojo                    org/codehaus/mojo      animal-sniffer-annotations
org.codehaus.woodstox                org/codehaus/stax2     stax2-api
org.eclipse.jdt                      org/eclipse/jdt        ecj
org.eclipse.angus                    org/eclipse/angus      angus-*
org.elasticsearch                    org/elasticsearch      elasticsearch elasticsearch-core elasticsearch-geo elasticsearch-x-content elasticsearch-cli elasticsearch-secure-sm elasticsearch-lz4 elasticsearch-plugin-classloader jna
org.elasticsearch.client             org/elasticsearch      elasticsearch-rest-client elasticsearch-rest-high-level-client elasticsearch-rest-client-sniffer transport
co.elastic.clients                   co/elastic             elasticsearch-java
org.flywaydb                         org/flywaydb           flyway-*
org.freemarker                       freemarker             freemarker
org.fusesource.jansi                 org/fusesource         jansi
org.hamcrest                         org/hamcrest           hamcrest hamcrest-*
org.hibernate                        org/hibernate          hibernate-core:6 hibernate-entitymanager hibernate-ehcache:6 hibernate-envers:6 hibernate-jpamodelgen:6 hibernate-java8 hibernate-c3p0:6 hibernate-hikaricp:6 hibernate-annotations
org.hibernate.common                 org/hibernate          hibernate-commons-annotations
org.hibernate.orm                    org/hibernate          hibernate-core hibernate-envers hibernate-jpamodelgen hibernate-c3p0 hibernate-hikaricp hibernate-jcache hibernate-spatial hibernate-ant hibernate-graalvm hibernate-micrometer hibernate-community-dialects
org.hibernate.javax.persistence      javax/persistence      hibernate-jpa-*
org.hibernate.validator              org/hibernate          hibernate-validator hibernate-validator-*
org.hsqldb                           org/hsqldb             hsqldb
hsqldb                               org/hsqldb             hsqldb:2
org.javamoney                        org/javamoney          moneta moneta-*
org.jboss.logging                    org/jboss/logging      jboss-logging
org.jetbrains                        org/jetbrains          annotations
org.jetbrains                        org/intellij           annotations
org.jetbrains.lets-plot              org/jetbrains/letsPlot *
org.jetbrains.kotlin                 kotlin                 kotlin-*
org.jetbrains.kotlin                 org/jetbrains/kotlin   kotlin-*
org.jetbrains.kotlin                 -                      kotlin-stdlib-common kotlin-stdlib-jdk7 kotlin-stdlib-jdk8
org.jetbrains.kotlinx                kotlinx                kotlinx-* atomicfu atomicfu-*
org.jspecify                         org/jspecify           jspecify
org.jodd                             jodd                   jodd-*
org.jruby                            org/jruby              jruby jruby-*
org.json4s                           org/json4s             json4s-*
org.junit.jupiter                    org/junit/jupiter      junit-jupiter-*
org.junit.jupiter                    -                      junit-jupiter
org.junit.platform                   org/junit/platform     junit-platform-*
org.junit.vintage                    org/junit/vintage      junit-vintage-engine
org.apiguardian                      org/apiguardian        apiguardian-api
org.opentest4j                       org/opentest4j         opentest4j
org.liquibase                        liquibase              liquibase-*
org.locationtech.jts                 org/locationtech       jts-core
org.locationtech.spatial4j           org/locationtech       spatial4j
org.lz4                              net/jpountz            lz4-java lz4-pure-java
at.yawk.lz4                          net/jpountz            lz4-java:1.8.1+
co.touchlab                          co/touchlab            stately-* kermit kermit-*
com.amazon.redshift                  com/amazon/redshift    redshift-jdbc*
com.apollographql.apollo3            com/apollographql/apollo3 apollo-*
com.expediagroup                     com/expediagroup       graphql-kotlin-*
com.github.java-json-tools           com/github/fge         btf jackson-coreutils jackson-coreutils-* json-patch json-schema-* msg-simple uri-template
com.google.crypto.tink               com/google/crypto      tink tink-*
com.ibm.db2                          com/ibm/db2            jcc
com.lightbend.akka                   akka                   akka-stream-alpakka-*
com.microsoft.graph                  com/microsoft/graph    microsoft-graph microsoft-graph-*
com.microsoft.kiota                  com/microsoft/kiota    microsoft-kiota-*
com.newrelic.agent.java              com/newrelic           newrelic-*
concurrent                           EDU/oswego             concurrent
io.arrow-kt                          arrow                  arrow-*
io.awspring.cloud                    io/awspring            spring-cloud-aws-*
io.grpc                              -                      grpc-context
io.insert-koin                       org/koin               koin-*
io.micronaut.data                    io/micronaut           micronaut-data-*
io.micronaut.flyway                  io/micronaut           micronaut-flyway
io.micronaut.kafka                   io/micronaut           micronaut-kafka micronaut-kafka-*
io.micronaut.micrometer              io/micronaut           micronaut-micrometer-*
io.micronaut.openapi                 io/micronaut           micronaut-openapi micronaut-openapi-*
io.micronaut.reactor                 io/micronaut           micronaut-reactor micronaut-reactor-*
io.micronaut.redis                   io/micronaut           micronaut-redis-*
io.micronaut.rxjava2                 io/micronaut           micronaut-rxjava2 micronaut-rxjava2-*
io.micronaut.rxjava3                 io/micronaut           micronaut-rxjava3 micronaut-rxjava3-*
io.micronaut.security                io/micronaut           micronaut-security micronaut-security-*
io.micronaut.serde                   io/micronaut           micronaut-serde-*
io.micronaut.session                 io/micronaut           micronaut-session
io.micronaut.sql                     io/micronaut           micronaut-hibernate-* micronaut-jdbc micronaut-jdbc-*
io.micronaut.tracing                 io/micronaut           micronaut-tracing-*
io.micronaut.validation              io/micronaut           micronaut-validation micronaut-validation-*
io.micronaut.views                   io/micronaut           micronaut-views-*
org.mockito                          org/mockito            mockito-*
org.mongodb                          com/mongodb            mongodb-driver-* mongo-java-driver
org.mongodb                          org/bson               bson bson-record-codec
org.mongodb.scala                    org/mongodb            mongo-scala-*
org.mozilla                          org/mozilla            rhino rhino-*
org.objenesis                        org/objenesis          objenesis
org.opensearch                       org/opensearch         opensearch opensearch-core opensearch-common opensearch-x-content opensearch-geo opensearch-cli opensearch-secure-sm opensearch-compress opensearch-task-commons opensearch-telemetry
org.opensearch.client                org/opensearch         opensearch-rest-client opensearch-rest-high-level-client opensearch-java
org.ow2.asm                          org/objectweb/asm      asm asm-*
org.postgresql                       org/postgresql         postgresql
org.projectlombok                    lombok                 lombok
org.python                           org/python             jython jython-*
org.quartz-scheduler                 org/quartz             quartz quartz-jobs
org.reactivestreams                  org/reactivestreams    reactive-streams reactive-streams-*
org.redisson                         org/redisson           redisson redisson-*
org.rocksdb                          org/rocksdb            rocksdbjni
org.scala-lang                       scala                  scala-library scala-reflect scala-compiler scala-actors scala3-library_* scala3-*
org.scala-lang.modules               scala                  scala-parser-combinators_* scala-xml_* scala-java8-compat_* scala-collection-compat_* scala-parallel-collections_* scala-asm scala-swing_*
org.slf4j                            org/slf4j              slf4j-* jcl-over-slf4j jul-to-slf4j log4j-over-slf4j osgi-over-slf4j
org.slf4j                            org/apache             jcl-over-slf4j log4j-over-slf4j
org.sonatype.sisu                    com/google/inject      sisu-guice
org.springframework                  org/springframework    spring spring-aop spring-aspects spring-beans spring-context spring-context-indexer spring-context-support spring-core spring-core-test spring-expression spring-instrument spring-jcl spring-jdbc spring-jms spring-messaging spring-orm spring-oxm spring-r2dbc spring-test spring-tx spring-web spring-webflux spring-webmvc spring-webmvc-portlet spring-websocket
org.springframework                  org/apache/commons     spring-jcl
org.springframework                  -                      spring-bom
org.springframework.amqp             org/springframework    spring-amqp spring-rabbit spring-rabbit-*
org.springframework.batch            org/springframework    spring-batch-*
org.springframework.boot             org/springframework    spring-boot spring-boot-*
org.springframework.boot             -                      spring-boot-starter spring-boot-starter-*
org.springframework.cloud            org/springframework    spring-cloud-*
org.springframework.cloud            -                      spring-cloud-starter spring-cloud-starter-*
org.springframework.data             org/springframework    spring-data-*
org.springframework.graphql          org/springframework    spring-graphql
org.springframework.hateoas          org/springframework    spring-hateoas
org.springframework.integration      org/springframework    spring-integration-*
org.springframework.kafka            org/springframework    spring-kafka spring-kafka-test
org.springframework.ldap             org/springframework    spring-ldap-*
org.springframework.mobile           org/springframework    spring-mobile-device
org.springframework.plugin           org/springframework    spring-plugin-*
org.springframework.restdocs         org/springframework    spring-restdocs-*
org.springframework.retry            org/springframework    spring-retry
org.springframework.security         org/springframework    spring-security-*
org.springframework.security.oauth   org/springframework    spring-security-oauth spring-security-oauth2
org.springframework.session          org/springframework    spring-session-*
org.springframework.shell            org/springframework    spring-shell spring-shell-*
org.springframework.social           org/springframework    spring-social-*
org.springframework.statemachine     org/springframework    spring-statemachine-*
org.springframework.vault            org/springframework    spring-vault-core
org.springframework.webflow          org/springframework    spring-webflow spring-binding spring-js spring-faces
org.springframework.ws               org/springframework    spring-ws-* spring-xml
org.testng                           org/testng             testng
org.tukaani                          org/tukaani            xz
org.xerial                           org/sqlite             sqlite-jdbc
org.xerial.snappy                    org/xerial/snappy      snappy-java
org.yaml                             org/yaml/snakeyaml     snakeyaml
oro                                  org/apache/oro         oro
org.ehcache                          org/ehcache            ehcache
net.sf.ehcache                       net/sf/ehcache         ehcache ehcache-*
net.sourceforge.jtds                 net/sourceforge/jtds   jtds
oauth.signpost                       oauth/signpost         signpost-*
org.eclipse.jetty.orbit              javax                  javax.mail.glassfish javax.security.auth.message
org.eclipse.jetty.toolchain          jakarta                jetty-*
org.eclipse.jetty.toolchain          javax                  jetty-*
org.graalvm.js                       com/oracle/truffle     js js-*
org.graalvm.polyglot                 org/graalvm            polyglot
org.graalvm.sdk                      org/graalvm            collections graal-sdk nativeimage word
org.graalvm.truffle                  com/oracle/truffle     truffle-*
org.seleniumhq.selenium              org/openqa/selenium    selenium-*
redis.clients                        redis/clients          jedis
regexp                               org/apache/regexp      regexp
rhino                                org/mozilla            js
software.amazon.ion                  software/amazon/ion    ion-java
stax                                 javax/xml/stream       stax-api
struts                               org/apache/struts      struts
taglibs                              org/apache/taglibs     standard
tomcat                               org/apache/jasper      jasper-compiler jasper-runtime
wsdl4j                               javax/wsdl             wsdl4j
xalan                                org/apache/xalan       xalan
xalan                                org/apache/xml         serializer
xerces                               org/apache/xerces      xercesImpl
xml-apis                             javax/xml              xml-apis
xml-apis                             org/w3c/dom            xml-apis xml-apis-ext
xml-resolver                         org/apache/xml         xml-resolver
xmlenc                               org/znerd              xmlenc
xmlpull                              org/xmlpull            xmlpull
xom                                  nu/xom                 xom
xpp3                                 org/xmlpull            xpp3_min xpp3
"""
"""Group, folder of classes (`-` for a library without classes), names; `*` at the end matches any rest.

A version behind a colon is the first with a different group, or with `+` the first with this one.
"""


@functools.cache
def _index() -> tuple[dict[str, list[tuple[str, str, str]]], list[tuple[str, str, str, str]]]:
    """Return group, folder and version limit by exact name, and the same with name patterns."""
    exact: dict[str, list[tuple[str, str, str]]] = {}
    patterns: list[tuple[str, str, str, str]] = []
    for line in KNOWN.strip().splitlines():
        group, folder, *names = line.split()
        for entry in names:
            name, _, limit = entry.partition(":")
            if name.endswith("*"):
                patterns.append((name[:-1], group, folder, limit))
            else:
                exact.setdefault(name, []).append((group, folder, limit))
    patterns.sort(key=lambda pattern: -len(pattern[0]))
    return exact, patterns


def find_known_group(name: str, version: str, folders: list[str]) -> str:
    """Return the group of a known library whose class folders agree, or an empty text."""
    exact, patterns = _index()
    candidates = exact.get(name, [])
    candidates = candidates + [
        (group, folder, limit) for prefix, group, folder, limit in patterns if name.startswith(prefix)
    ]
    for group, folder, limit in candidates:
        if _is_within(version, limit) and _has_classes(folder, folders):
            return group
    return ""


def _has_classes(folder: str, folders: list[str]) -> bool:
    if folder == "-":
        return not any(folders)
    return any(each == folder or each.startswith(folder + "/") for each in folders)


def _is_within(version: str, limit: str) -> bool:
    if not limit:
        return True
    numbers = _read_numbers(version)
    if limit.endswith("+"):
        return numbers >= _read_numbers(limit[:-1])
    return numbers < _read_numbers(limit)


def _read_numbers(version: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d{1,9}", version[:100])[:4]]
