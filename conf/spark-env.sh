# Sourced by spark-submit before the JVM starts. Cron and containers often have no locale, and the JVM would then read every
# name outside ASCII as question marks: arguments, lakes, files. `python -m uninote.install` puts this where spark-submit looks.
case "${LC_ALL:-${LC_CTYPE:-${LANG:-}}}" in
  *[Uu][Tt][Ff]-8* | *[Uu][Tt][Ff]8*) ;;
  *) export LC_ALL=C.UTF-8 ;;
esac
